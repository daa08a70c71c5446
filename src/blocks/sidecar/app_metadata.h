// What the Dapr API, through whichever door, asks the rest of the process about itself: metadata, labels and health.
//
// MetadataSource and HealthSource are the server's; their functions are called from any thread. AppLabels is one object
// an app, shared by its doors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/completion.h"
#include "base/result.h"
#include "blocks/state/state_service.h"

namespace tandem::sidecar {

struct ComponentInfo {
  std::string name;
  std::string type;     // "state.sqlite"
  std::string version;  // "v1"
  std::vector<std::string> capabilities;
};

struct SubscriptionInfo {
  struct Rule {
    std::string match;
    std::string path;
  };
  std::string pubsub;
  std::string topic;
  Metadata metadata;
  std::vector<Rule> rules;
  std::string dead_letter_topic;
  std::string type;  // DECLARATIVE, PROGRAMMATIC or STREAMING
};

// How the app's health is probed; durations in Go's words ("5s").
struct AppHealth {
  std::string path;  // empty for an app that speaks gRPC
  std::string interval;
  std::string timeout;
  std::int32_t threshold = 0;
};

// How the app is reached; zero and empty mean unknown and are left out, as Dapr does.
struct AppConnection {
  std::int32_t port = 0;
  std::string protocol;
  std::string channel_address;
  std::int32_t max_concurrency = 0;
  std::optional<AppHealth> health;  // none: it is not probed
};

struct AppMetadata {
  std::string runtime_version;
  std::vector<std::string> enabled_features;
  std::vector<ComponentInfo> components;
  std::vector<SubscriptionInfo> subscriptions;
  std::vector<std::string> http_endpoints;  // their names
  std::vector<std::string> resiliencies;    // their names
  AppConnection connection;
};

class MetadataSource {
 public:
  virtual ~MetadataSource() = default;
  // As `app_id` may see it.
  virtual AppMetadata describe(std::string_view app_id) const = 0;
};

class HealthSource {
 public:
  virtual ~HealthSource() = default;
  // What is not ready yet, by name; empty: `app_id` can be served.
  virtual std::vector<std::string> unready(std::string_view app_id) const = 0;
  // Whether components can be called. The completion runs on the caller's executor or in place.
  virtual void check_outbound(state::Caller caller, Completion<void> done) = 0;
};

// The labels that PUT /v1.0/metadata/{key} and SetMetadata set: in memory, gone with the process. Any thread.
class AppLabels final {
 public:
  static constexpr std::size_t kMaxLabels = 1'000;

  AppLabels() = default;
  explicit AppLabels(Metadata labels) : labels_(std::move(labels)) {}

  // Fails with kResourceExhausted when there are too many.
  Status set(std::string key, std::string value);
  Metadata all() const;

 private:
  mutable std::mutex mutex_;
  Metadata labels_;
};

}  // namespace tandem::sidecar
