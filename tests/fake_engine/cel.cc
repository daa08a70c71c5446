// The entries of tandem_cel.h. A rule of the fake engine is `event.<name> == "<text>"`, or `error`, which cannot be
// evaluated; anything else is refused. An event has the member when its bytes hold `"<name>":"<text>"`.
#include <string>
#include <string_view>
#include <vector>

#include "contract.h"
#include "objects.h"
#include "tandem_cel.h"

using namespace tandem::fake;

struct tdm_cel_rules {
  std::vector<std::string> needles;  // what an event holds; "" for a rule that takes everything
};

namespace {

constexpr std::string_view kError = "error";

// Empty: not a rule.
std::string needle_of(std::string_view rule) {
  constexpr std::string_view kStart = "event.";
  constexpr std::string_view kMiddle = " == \"";
  const std::size_t middle = rule.find(kMiddle);
  if (!rule.starts_with(kStart) || middle == std::string_view::npos || !rule.ends_with('"')) return {};
  const std::string_view name = rule.substr(kStart.size(), middle - kStart.size());
  const std::string_view text = rule.substr(middle + kMiddle.size());
  return "\"" + std::string(name) + "\":\"" + std::string(text);
}

}  // namespace

tdm_error* tdm_cel_rules_new(const tdm_str* matches, size_t count, tdm_cel_rules** out, size_t* wrong) {
  *wrong = TDM_CEL_NO_RULE;
  std::vector<std::string> needles;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view rule = view(matches[i]);
    needles.push_back(rule == kError ? std::string(kError) : needle_of(rule));
    if (rule.empty() || !needles.back().empty()) continue;
    *wrong = i;
    return make_error(TDM_ERROR_INVALID, "not a rule of the fake engine: " + std::string(rule));
  }
  *out = new tdm_cel_rules{std::move(needles)};
  return nullptr;
}

tdm_error* tdm_cel_rules_find(const tdm_cel_rules* rules, tdm_str event, bool, size_t* found, size_t* wrong) {
  *wrong = TDM_CEL_NO_RULE;
  for (size_t i = 0; i < rules->needles.size(); ++i) {
    if (rules->needles[i] == kError) {
      *wrong = i;
      return make_error(TDM_ERROR_ENGINE, "a rule that fails");
    }
    if (view(event).find(rules->needles[i]) == std::string_view::npos) continue;
    *found = i;
    return nullptr;
  }
  *found = TDM_CEL_NO_RULE;
  return nullptr;
}

void tdm_cel_rules_delete(tdm_cel_rules* rules) { delete rules; }
