// The routes of one subscription: which path an event goes to, by rules over the event itself or always the same.
//
// The language of the rules is not the block's: who starts the process gives PubsubService a RuleCompiler. Immutable
// once made: any thread, several at once. A subscription without rules looks at no event.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/subscription.h"

namespace tandem::pubsub {

// What the rules see of an event.
enum class EventForm {
  kJson,  // the envelope
  kText,  // a text of any kind: one message of a bulk of raw payloads
};

// Rules that are compiled. Any thread.
class RuleSet {
 public:
  virtual ~RuleSet() = default;
  // The place of the first rule that matches; none does: nullopt. Fails, and says why, when a rule cannot be evaluated.
  virtual Result<std::optional<std::size_t>> find(std::string_view event, EventForm form) const = 0;
};

class RuleCompiler {
 public:
  virtual ~RuleCompiler() = default;
  // An empty rule matches everything. Fails with kInvalidArgument and which rule is wrong, where and why.
  virtual Result<std::unique_ptr<const RuleSet>> compile(std::span<const std::string_view> rules) const = 0;
};

class Routes final {
 public:
  // Fails when the subscription has no route, when a rule does not compile, or when there are rules and `compiler` is
  // null.
  static Result<Routes> make(const config::Subscription& subscription, const RuleCompiler* compiler);
  // Everything to one path.
  static Routes to(std::string path);

  // The path that every event goes to; null: it depends on the event.
  const std::string* only() const { return rules_ == nullptr ? &paths_.front() : nullptr; }
  // Where this event goes; null: no rule matches, nowhere. As RuleSet::find() it fails.
  Result<const std::string*> find(std::string_view event, EventForm form) const;

 private:
  std::vector<std::string> paths_;  // one for each rule, in their order
  std::unique_ptr<const RuleSet> rules_;
};

}  // namespace tandem::pubsub
