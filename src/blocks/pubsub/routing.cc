#include "blocks/pubsub/routing.h"

#include <utility>

namespace tandem::pubsub {

Routes Routes::to(std::string path) {
  Routes routes;
  routes.paths_.push_back(std::move(path));
  return routes;
}

Result<Routes> Routes::make(const config::Subscription& subscription, const RuleCompiler* compiler) {
  const std::string what = "the subscription to topic " + subscription.topic + " of pubsub " + subscription.pubsub_name;
  Routes routes;
  std::vector<std::string_view> matches;
  // What follows a rule that takes everything is never reached.
  bool is_open = true;
  const auto add = [&](std::string_view match, const std::string& path) {
    if (!is_open) return;
    is_open = !match.empty();
    matches.push_back(match);
    routes.paths_.push_back(path);
  };
  for (const config::RoutingRule& rule : subscription.rules) add(rule.match, rule.path);
  if (!subscription.default_path.empty()) add("", subscription.default_path);
  if (routes.paths_.empty()) {
    return fail(Code::kInvalidArgument, what + " has no route (route, routes.default or routes.rules)");
  }
  if (matches.front().empty()) return routes;
  if (compiler == nullptr) {
    return fail(Code::kFailedPrecondition,
                what + " has routing rules (" + std::string(matches.front()) + "), for which there is no compiler");
  }
  Result<std::unique_ptr<const RuleSet>> rules = compiler->compile(matches);
  if (!rules) {
    return fail(Code::kInvalidArgument, what + " has a routing rule that is wrong: " + rules.error().message);
  }
  routes.rules_ = std::move(*rules);
  return routes;
}

Result<const std::string*> Routes::find(std::string_view event, EventForm form) const {
  if (rules_ == nullptr) return &paths_.front();
  Result<std::optional<std::size_t>> found = rules_->find(event, form);
  if (!found) return fail(std::move(found.error()));
  return *found && **found < paths_.size() ? &paths_[**found] : nullptr;
}

}  // namespace tandem::pubsub
