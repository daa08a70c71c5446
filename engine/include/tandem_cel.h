// The C ABI of engine/cel: the routing rules of a subscription, in the Common Expression Language.
//
// The rules of tandem_engine.h hold. A rule is an expression over one variable, `event`; the language and its results
// are those of cel-go v0.20 as daprd uses it, but for what docs/decisions/routing-rules.md names. Objects are
// immutable: any thread, several at once. Nothing blocks. Limits: 1,000 rules, 4 KiB a rule, 16 MiB an event, 100 ms of
// processor time for a look at all rules; beyond any of them it fails.
#ifndef TANDEM_CEL_H
#define TANDEM_CEL_H

#include "tandem_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdm_cel_rules tdm_cel_rules;

// "No rule", where a rule is named by its place.
#define TDM_CEL_NO_RULE SIZE_MAX

// Compiles rules. An empty one, or one of spaces, matches every event. The texts are copied. Fails with
// TDM_ERROR_INVALID at the first rule that is wrong, and puts its place into `wrong`.
tdm_error* tdm_cel_rules_new(const tdm_str* matches, size_t count, tdm_cel_rules** out, size_t* wrong);

// The place of the first rule that `event` matches into `found`, or TDM_CEL_NO_RULE. The event is a JSON document, or,
// when `is_text`, what `event` is itself: a string. It is read only when a rule that is not empty is looked at, and
// once. Fails with TDM_ERROR_ENGINE when a rule that is looked at cannot be evaluated or is neither true nor false, and
// puts its place into `wrong`.
tdm_error* tdm_cel_rules_find(const tdm_cel_rules* rules, tdm_str event, bool is_text, size_t* found, size_t* wrong);

void tdm_cel_rules_delete(tdm_cel_rules* rules);

#ifdef __cplusplus
}
#endif

#endif  // TANDEM_CEL_H
