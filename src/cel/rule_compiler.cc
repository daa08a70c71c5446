#include "cel/rule_compiler.h"

#include <utility>
#include <vector>

#include "tandem_cel.h"

namespace tandem::cel {
namespace {

tdm_str span_of(std::string_view text) { return {text.data(), text.size()}; }

// Takes `error` over.
std::string text_of(tdm_error* error) {
  const tdm_str message = tdm_error_get_message(error);
  std::string text(message.ptr, message.len);
  tdm_error_delete(error);
  return text;
}

class CelRules final : public pubsub::RuleSet {
 public:
  explicit CelRules(tdm_cel_rules* rules) : rules_(rules) {}

  Result<std::optional<std::size_t>> find(std::string_view event, pubsub::EventForm form) const override {
    std::size_t found = TDM_CEL_NO_RULE;
    std::size_t wrong = TDM_CEL_NO_RULE;
    if (tdm_error* error =
            tdm_cel_rules_find(rules_.get(), span_of(event), form == pubsub::EventForm::kText, &found, &wrong)) {
      return fail(Code::kInternal, text_of(error));
    }
    if (found == TDM_CEL_NO_RULE) return std::nullopt;
    return found;
  }

 private:
  struct Delete {
    void operator()(tdm_cel_rules* rules) const { tdm_cel_rules_delete(rules); }
  };
  const std::unique_ptr<tdm_cel_rules, Delete> rules_;
};

}  // namespace

Result<std::unique_ptr<const pubsub::RuleSet>> CelRuleCompiler::compile(std::span<const std::string_view> rules) const {
  std::vector<tdm_str> texts;
  texts.reserve(rules.size());
  for (const std::string_view rule : rules) texts.push_back(span_of(rule));
  tdm_cel_rules* compiled = nullptr;
  std::size_t wrong = TDM_CEL_NO_RULE;
  if (tdm_error* error = tdm_cel_rules_new(texts.data(), texts.size(), &compiled, &wrong)) {
    std::string message = text_of(error);
    if (wrong < rules.size()) {
      message = "rule " + std::to_string(wrong + 1) + " (" + std::string(rules[wrong].substr(0, 200)) + "): " + message;
    }
    return fail(Code::kInvalidArgument, std::move(message));
  }
  return std::make_unique<const CelRules>(compiled);
}

}  // namespace tandem::cel
