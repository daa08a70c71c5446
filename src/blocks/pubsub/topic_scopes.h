// TopicScopes: which app may publish or subscribe to which topic of a pub/sub component, by Dapr's metadata keys
// allowedTopics, protectedTopics, publishingScopes and subscriptionScopes
// (https://docs.dapr.io/developing-applications/building-blocks/pubsub/pubsub-scopes/). Plain values; any thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace tandem::pubsub {

struct TopicScopes {
  using Topics = std::set<std::string, std::less<>>;

  Topics allowed;                                           // empty: all
  Topics protected_ones;                                    // an app needs a scope for these
  std::map<std::string, Topics, std::less<>> publishing;    // by app id
  std::map<std::string, Topics, std::less<>> subscription;  // by app id

  bool may_publish(std::string_view app_id, std::string_view topic) const;
  bool may_subscribe(std::string_view app_id, std::string_view topic) const;
};

// Names of metadata compare without regard to case.
TopicScopes parse_topic_scopes(const Metadata& metadata);

}  // namespace tandem::pubsub
