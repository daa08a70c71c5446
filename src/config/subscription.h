// Subscription: a declarative Dapr subscription, both versions of the resource in one shape.
//
// v1alpha1's single `route` becomes a rule-less default path. Plain values; any thread while nobody writes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "config/diagnostics.h"

namespace tandem::config {

struct RoutingRule {
  // A CEL expression over `event`; empty matches everything.
  std::string match;
  std::string path;
  int line = 0;
};

struct BulkSubscribe {
  bool enabled = false;
  // 0 means that the pub/sub component's own default holds.
  int max_messages_count = 0;
  int max_await_duration_ms = 0;
};

struct Subscription {
  std::string name;
  std::string pubsub_name;
  std::string topic;
  // Tried in order, then default_path. With no rule that matches and no default the message is dropped.
  std::vector<RoutingRule> rules;
  std::string default_path;
  std::string dead_letter_topic;
  Metadata metadata;
  BulkSubscribe bulk;
  // App ids that it is for; empty means every app.
  std::vector<std::string> scopes;
  std::string content;  // as Component has it
  // The host's own, of no app: without scopes of topics, and without policies.
  bool internal = false;
  std::string file;
  int line = 0;

  bool visible_to(std::string_view app_id) const;
  Position position() const { return {file, line, 0}; }
};

}  // namespace tandem::config
