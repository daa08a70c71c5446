// What the gRPC door needs of the process: the blocks, who the caller is, the limits.
//
// Made by the server, one for each app. What is referred to outlives the door.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/bindings/binding_service.h"
#include "blocks/configuration/configuration_service.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/secrets/secret_service.h"
#include "blocks/sidecar/app_metadata.h"
#include "blocks/state/state_service.h"
#include "config/api_access.h"
#include "config/configuration.h"
#include "net/grpc/call_route.h"
#include "telemetry/trace_context.h"

namespace tandem::api::grpc {

struct ApiOptions {
  // Who calls: the port says so, never a header.
  std::string app_id;
  state::StateService& state;
  pubsub::PubsubService& pubsub;
  secrets::SecretService& secrets;
  configuration::ConfigurationService& configuration;
  bindings::BindingService& bindings;
  const invoke::InvokeService& invoke;
  // The apps that speak gRPC: calls of their own services go through this door too. Null: there are none.
  const net::grpc::CallRouter* routes = nullptr;
  const sidecar::MetadataSource& metadata;
  // Shared with the app's other doors.
  sidecar::AppLabels& labels;
  // All workers, by their number. Completions that come late run on one of them, and so do the apps that are called.
  std::vector<Executor*> workers;
  // Of a message in either direction, as --max-body-size of daprd: 4 MiB.
  std::size_t max_message_bytes = std::size_t{4} << 20;
  // What is left of the API by spec.api's rules for gRPC.
  config::ApiAccess access;
  // Empty: no token is asked for.
  std::string api_token;
  // Of calls that bring no trace.
  telemetry::Sampler sampler{config::TracingOptions{}.sampling_rate};
  // Where each call is a line (api_log.h); null: nowhere.
  const Logger* log = nullptr;
  // Starts the orderly stop; called once for each Shutdown, after it was answered.
  std::function<void()> request_shutdown;
};

}  // namespace tandem::api::grpc
