// Routing rules in the Common Expression Language, as daprd has them: the pub/sub block's RuleCompiler over the C ABI
// of engine/cel (engine/include/tandem_cel.h), which says what the language is and where its limits are.
//
// Has no state: one a process, any thread. Rules that it gave outlive it.
#pragma once

#include "blocks/pubsub/routing.h"

namespace tandem::cel {

class CelRuleCompiler final : public pubsub::RuleCompiler {
 public:
  // A failure names the rule and has cel-go's text of what is wrong.
  Result<std::unique_ptr<const pubsub::RuleSet>> compile(std::span<const std::string_view> rules) const override;
};

}  // namespace tandem::cel
