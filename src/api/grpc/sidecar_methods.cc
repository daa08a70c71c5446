#include "api/grpc/sidecar_methods.h"

#include <string>

#include "api/grpc/error_map.h"

namespace tandem::api::grpc {
namespace {

wire::PubsubSubscriptionType type_of(const std::string& word) {
  wire::PubsubSubscriptionType type = wire::UNKNOWN;
  wire::PubsubSubscriptionType_Parse(word, &type);
  return type;
}

void fill(const sidecar::SubscriptionInfo& info, wire::PubsubSubscription& out) {
  out.set_pubsub_name(info.pubsub);
  out.set_topic(info.topic);
  out.mutable_metadata()->insert(info.metadata.begin(), info.metadata.end());
  auto& rules = *out.mutable_rules();
  for (const auto& [match, path] : info.rules) {
    auto& rule = *rules.add_rules();
    rule.set_match(match);
    rule.set_path(path);
  }
  out.set_dead_letter_topic(info.dead_letter_topic);
  out.set_type(type_of(info.type));
}

void fill(const sidecar::AppMetadata& metadata, const Metadata& labels, wire::GetMetadataResponse& out) {
  for (const sidecar::ComponentInfo& info : metadata.components) {
    auto& component = *out.add_registered_components();
    component.set_name(info.name);
    component.set_type(info.type);
    component.set_version(info.version);
    component.mutable_capabilities()->Assign(info.capabilities.begin(), info.capabilities.end());
  }
  auto& extended = *out.mutable_extended_metadata();
  extended.insert(labels.begin(), labels.end());
  extended["daprRuntimeVersion"] = metadata.runtime_version;
  for (const sidecar::SubscriptionInfo& info : metadata.subscriptions) fill(info, *out.add_subscriptions());
  for (const std::string& name : metadata.http_endpoints) out.add_http_endpoints()->set_name(name);
  for (const std::string& name : metadata.resiliencies) out.add_resiliencies()->set_name(name);
  auto& connection = *out.mutable_app_connection_properties();
  connection.set_port(metadata.connection.port);
  connection.set_protocol(metadata.connection.protocol);
  connection.set_channel_address(metadata.connection.channel_address);
  connection.set_max_concurrency(metadata.connection.max_concurrency);
  if (const auto& health = metadata.connection.health) {
    auto& properties = *connection.mutable_health();
    properties.set_health_check_path(health->path);
    properties.set_health_probe_interval(health->interval);
    properties.set_health_probe_timeout(health->timeout);
    properties.set_health_threshold(health->threshold);
  }
  out.set_runtime_version(metadata.runtime_version);
  out.mutable_enabled_features()->Assign(metadata.enabled_features.begin(), metadata.enabled_features.end());
  // As a daprd without a placement service has it, and without workflows.
  out.mutable_actor_runtime()->set_runtime_status(wire::ActorRuntime::DISABLED);
  out.mutable_actor_runtime()->set_placement("placement: disconnected");
  out.mutable_workflows();
}

}  // namespace

void get_metadata(const ApiOptions& api, const SharedCall& call, wire::GetMetadataResponse& response) {
  call->answer([&](auto&) {
    response.set_id(api.app_id);
    fill(api.metadata.describe(api.app_id), api.labels.all(), response);
    return ::grpc::Status::OK;
  });
}

void set_metadata(const ApiOptions& api, const SharedCall& call, const wire::SetMetadataRequest& request) {
  Status set;
  // Dapr takes a label without a name for none.
  if (!request.key().empty()) set = api.labels.set(request.key(), request.value());
  call->fail(set ? ::grpc::Status::OK : to_status(set.error()));
}

void shut_down(const ApiOptions& api, const SharedCall& call) {
  call->succeed();
  api.request_shutdown();
}

}  // namespace tandem::api::grpc
