#include "server/outside_app.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/external_app.h"
#include "app/grpc/grpc_app.h"
#include "app/no_app.h"

namespace tandem::server {
namespace {

app::ExternalOptions external_options(const config::AppSpec& spec, const ProcessOptions& options) {
  app::ExternalOptions external;
  external.app_id = spec.app_id;
  external.scheme = spec.app_protocol == "https" ? "https" : "http";
  if (spec.app_protocol == "h2c") external.protocol = net::ClientProtocol::kHttp2;
  external.host = spec.app_channel_address;
  external.port = static_cast<std::uint16_t>(*spec.app_port);
  external.api_token = options.app_api_token;
  external.max_concurrency = static_cast<std::size_t>(spec.app_max_concurrency.value_or(0));
  if (spec.dapr_http_read_buffer_size) external.max_head_bytes = *spec.dapr_http_read_buffer_size;
  if (spec.request_timeout) {
    external.request_timeout = std::chrono::ceil<std::chrono::milliseconds>(*spec.request_timeout);
  }
  external.health_path =
      spec.app_health_check_path.starts_with('/') ? spec.app_health_check_path : "/" + spec.app_health_check_path;
  return external;
}

app::grpc::GrpcAppOptions grpc_options(const config::AppSpec& spec, const ProcessOptions& options) {
  app::grpc::GrpcAppOptions grpc;
  grpc.app_id = spec.app_id;
  if (spec.app_protocol == "grpcs") grpc.protocol = app::grpc::GrpcAppOptions::Protocol::kGrpcs;
  grpc.host = spec.app_channel_address;
  grpc.port = static_cast<std::uint16_t>(*spec.app_port);
  grpc.api_token = options.app_api_token;
  grpc.max_concurrency = static_cast<std::size_t>(std::max(spec.app_max_concurrency.value_or(0), 0));
  if (spec.dapr_http_max_request_size) grpc.max_message_bytes = *spec.dapr_http_max_request_size;
  if (spec.request_timeout) {
    grpc.request_timeout = std::chrono::ceil<std::chrono::milliseconds>(*spec.request_timeout);
  }
  return grpc;
}

}  // namespace

Result<std::unique_ptr<app::App>> make_outside_app(const config::AppSpec& spec, const ProcessOptions& options,
                                                   const Logger& log, net::Workers& workers, AppRoutes& routes) {
  if (spec.app_port.value_or(0) == 0) {
    log.warn("tandem.app", "App channel is not initialized. Did you configure an app-port?");
    return std::make_unique<app::NoApp>();
  }
  if (spec.app_protocol == "http" || spec.app_protocol == "https" || spec.app_protocol == "h2c") {
    return std::make_unique<app::ExternalApp>(external_options(spec, options), log, workers);
  }
  if (spec.app_protocol == "grpc" || spec.app_protocol == "grpcs") {
    auto app = std::make_unique<app::grpc::GrpcApp>(grpc_options(spec, options), log, workers);
    routes.add(app->route());
    return app;
  }
  return fail(Code::kUnimplemented, fmt::format("app {}: the app protocol {} is not supported yet: an app outside the "
                                                "process is reached over http, https, h2c, grpc or grpcs",
                                                spec.app_id, spec.app_protocol));
}

}  // namespace tandem::server
