// Resiliency: a Dapr Resiliency resource (https://docs.dapr.io/operations/resiliency/policies/) as typed data: named
// policies, and the apps and components that they are for.
//
// Plain values made by resource_loader.h; whoever loads them owns them. Several resources of an app are one: a later
// one's policies and targets take the place of an earlier one's of the same name (ResiliencySet). Any thread while
// nobody writes. Mistakes go to Diagnostics; nothing throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/trip_expression.h"

namespace tandem::config {

// Codes of a list like "429,501-503", all of them included.
struct StatusCodeRange {
  int first = 0;
  int last = 0;
};
using StatusCodes = std::vector<StatusCodeRange>;

struct RetryPolicy {
  enum class Kind { kConstant, kExponential } kind = Kind::kConstant;
  std::chrono::nanoseconds duration = std::chrono::seconds(5);       // between the attempts of kConstant
  std::chrono::nanoseconds max_interval = std::chrono::seconds(60);  // between those of kExponential, at most
  std::int64_t max_retries = -1;                                     // below zero: without end
  // None: every code. HTTP's are 100 to 599, gRPC's 0 to 16.
  std::optional<StatusCodes> http_codes;
  std::optional<StatusCodes> grpc_codes;
  Position position;

  bool has_matching() const { return http_codes || grpc_codes; }
  // Whether a failure with that status is tried again: which of the two lists decides, the code itself says.
  bool retries(int status_code) const;
};

struct BreakerPolicy {
  std::uint32_t max_requests = 1;                               // let through while half open
  std::chrono::nanoseconds interval{0};                         // after which a closed breaker forgets; 0: never
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);  // that it stays open
  TripExpression trip;
};

// A policy that a target names.
struct PolicyName {
  std::string name;  // empty: none
  Position position;
};

struct PolicyNames {
  PolicyName timeout;
  PolicyName retry;
  PolicyName circuit_breaker;
};

struct AppTarget {
  static constexpr std::size_t kDefaultBreakers = 100;

  PolicyNames policies;
  std::size_t max_breakers = kDefaultBreakers;  // circuitBreakerCacheSize: one an endpoint of the app
};

struct ComponentTarget {
  PolicyNames inbound;
  PolicyNames outbound;
};

// What has no policies of its own, as the names of default policies have it.
enum class TargetKind { kApp, kStateStore, kPubsub, kBinding, kSecretStore, kConfiguration };
enum class Direction { kInbound, kOutbound };

struct Resiliency {
  std::string name;
  std::string name_space;  // metadata.namespace, as it is written
  std::map<std::string, std::chrono::nanoseconds, std::less<>> timeouts;
  std::map<std::string, RetryPolicy, std::less<>> retries;
  std::map<std::string, BreakerPolicy, std::less<>> breakers;
  std::map<std::string, AppTarget, std::less<>> apps;
  std::map<std::string, ComponentTarget, std::less<>> components;
  std::vector<std::string> scopes;
  std::string content;  // as Component has it
  std::string file;
  int line = 0;

  bool visible_to(std::string_view app_id) const;
  Position position() const { return {file, line, 0}; }
};

// What holds for one target. Views of the set.
struct Policies {
  std::chrono::nanoseconds timeout{0};  // 0: none
  const RetryPolicy* retry = nullptr;
  const BreakerPolicy* breaker = nullptr;
  std::string_view breaker_name;

  bool empty() const { return timeout.count() == 0 && retry == nullptr && breaker == nullptr; }
};

// All resources of one app as one.
class ResiliencySet final {
 public:
  // Those that are for the app, in the order of `all`. A target that names a policy which none of them has is an error.
  static ResiliencySet of(const std::vector<Resiliency>& all, std::string_view app_id, Diagnostics& diagnostics);

  bool empty() const { return names_.empty(); }
  // The resources, in their order: name and namespace.
  struct Source {
    std::string name;
    std::string name_space;
  };
  const std::vector<Source>& sources() const { return names_; }

  // A target's own policies, else the default ones by their names, the most special first.
  Policies app(std::string_view app_id) const;
  Policies component(std::string_view name, TargetKind kind, Direction direction) const;
  // Whether an app is a target itself: then daprd's own retries of its calls are off.
  bool names_app(std::string_view app_id) const { return merged_.apps.contains(app_id); }
  std::size_t max_breakers(std::string_view app_id) const;

 private:
  Policies own(const PolicyNames& names) const;
  Policies defaults(const std::vector<std::string>& levels) const;

  std::vector<Source> names_;
  Resiliency merged_;
};

}  // namespace tandem::config
