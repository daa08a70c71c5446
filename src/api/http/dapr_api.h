// Dapr's HTTP API for one app on one worker: the door that curl, the Dapr SDKs and a guest's own HTTP calls come
// through.
//
// The server makes one for each app and worker; the port (or the guest) decides which one a request reaches, and so who
// the caller is: the app id of `ApiOptions`, never a header. It outlives every exchange that it was given. handle()
// runs on its worker; nothing here throws. Paths, status codes and error bodies are those of daprd 1.18:
// docs/http-api.md.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "api/http/api_log.h"
#include "api/http/sources.h"
#include "base/executor.h"
#include "blocks/bindings/binding_service.h"
#include "blocks/configuration/configuration_service.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/secrets/secret_service.h"
#include "blocks/state/state_service.h"
#include "config/api_access.h"
#include "net/http.h"
#include "telemetry/trace_context.h"

namespace tandem::api::http {

// What is referred to outlives the DaprApi.
struct ApiOptions {
  std::string app_id;
  state::StateService& state;
  pubsub::PubsubService& pubsub;
  secrets::SecretService& secrets;
  configuration::ConfigurationService& configuration;
  bindings::BindingService& bindings;
  const invoke::InvokeService& invoke;
  const MetadataSource& metadata;
  HealthSource& health;
  // Shared by the workers of one app.
  AppLabels& labels;
  // The worker that handle() is called on, and its number.
  Executor& worker;
  std::size_t worker_index = 0;
  // Of a request body, as --max-body-size of daprd: 4 MiB.
  std::size_t max_body_bytes = std::size_t{4} << 20;
  // Empty: no token is asked for.
  std::string api_token;
  // As --allowed-origins of daprd: empty sends no CORS headers, "*" allows all, else a list with commas between.
  std::string allowed_origins;
  // What of the API is there: spec.api of the Configuration.
  config::ApiAccess access;
  // Of requests that bring no trace.
  telemetry::Sampler sampler{config::TracingOptions{}.sampling_rate};
  // Null: calls are not logged.
  const ApiLog* log = nullptr;
  // Starts the orderly stop; called once for each POST /v1.0/shutdown, after it was answered.
  std::function<void()> request_shutdown;
};

class DaprApi final : public net::Handler {
 public:
  explicit DaprApi(ApiOptions options);

  void handle(std::unique_ptr<net::Exchange> exchange) override;

 private:
  ApiOptions options_;
};

}  // namespace tandem::api::http
