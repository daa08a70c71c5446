// Configuration: Dapr's Configuration resource (https://docs.dapr.io/reference/resource-specs/configuration-schema/).
//
// Made by load_configuration() in resource_loader.h, which warns by name about every part that is read but not acted
// on. Plain values; any thread while nobody writes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace tandem::config {

struct TracingOptions {
  // Between 0 (never) and 1 (always). Dapr's default for an unset value is 0.0001.
  double sampling_rate = 0.0001;
  bool to_stdout = false;
  std::string zipkin_endpoint;
  std::string otel_endpoint;
  std::string otel_protocol;  // "http" or "grpc"
  bool otel_secure = true;
};

struct MetricOptions {
  bool enabled = true;
  // spec.metrics.http.increasedCardinality: whether the path is a label.
  bool http_paths = true;
  bool http_methods_excluded = false;
  // spec.metrics.latencyDistributionBuckets in milliseconds; empty means Dapr's default buckets.
  std::vector<double> latency_buckets_ms;
};

struct PipelineHandler {
  std::string name;
  std::string type;
  std::string version;
  int line = 0;
};

struct ApiRule {
  std::string name;      // "state"
  std::string version;   // "v1" or "v1.0"
  std::string protocol;  // "http" or "grpc"
};

struct SecretScope {
  std::string store_name;
  // "allow" or "deny"
  std::string default_access = "allow";
  std::vector<std::string> allowed;
  std::vector<std::string> denied;

  // Dapr's rule: a list of allowed secrets decides alone; else a denied one is denied; else the default.
  bool allows(std::string_view key) const;
};

struct AccessOperation {
  std::string name;
  std::vector<std::string> http_verbs;
  std::string action;
};

struct AccessPolicy {
  std::string app_id;
  std::string default_action;
  std::string trust_domain;
  std::string namespace_name;
  std::vector<AccessOperation> operations;
};

struct AccessControl {
  std::string default_action = "allow";
  std::string trust_domain = "public";
  std::vector<AccessPolicy> policies;
};

struct NameResolution {
  std::string component;
  std::string version;
  // JSON text of the free-form configuration.
  std::string configuration;
  int line = 0;
};

struct Configuration {
  std::string name;
  TracingOptions tracing;
  MetricOptions metrics;
  std::vector<PipelineHandler> http_pipeline;
  std::vector<PipelineHandler> app_http_pipeline;
  // Those that Dapr 1.18 switches on by itself are on unless the file says otherwise.
  std::map<std::string, bool, std::less<>> features = {{"HotReload", true}, {"WorkflowsRemoteActivityReminder", true}};
  // spec.logging.apiLogging: `enabled` counts where the app says nothing of its own.
  std::optional<bool> api_logging;
  bool api_logging_obfuscate_urls = false;
  bool api_logging_omit_health_checks = false;
  std::vector<ApiRule> api_allowed;
  std::vector<ApiRule> api_denied;
  std::vector<SecretScope> secret_scopes;
  std::optional<AccessControl> access_control;
  std::optional<NameResolution> name_resolution;
  bool mtls_enabled = false;
  std::vector<std::string> denied_components;
  std::string file;
  int line = 0;

  bool feature_enabled(std::string_view feature) const;
  // True when components.deny names this type, as "state.redis" or "state.redis/v1".
  bool component_denied(std::string_view type, std::string_view version) const;
};

}  // namespace tandem::config
