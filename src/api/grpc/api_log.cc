#include "api/grpc/api_log.h"

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "api/grpc/call_metadata.h"

namespace tandem::api::grpc {
namespace {

constexpr std::string_view kScope = "dapr.runtime.grpc.api-info";  // daprd's: tools look for it

}  // namespace

ApiLog::ApiLog(const ApiOptions& options) : api_(options), log_(options.log->with_level(LogLevel::kInfo)) {}

void ApiLog::write(const net::grpc::ServerCall& call, ::grpc::StatusCode status,
                   std::chrono::nanoseconds duration) const {
  if (check_access(call.headers(), call.method(), api_.access, api_.api_token)) return;
  constexpr auto kNumber = LogField::Kind::kNumber;
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(duration);
  const std::string milliseconds = std::to_string(elapsed.count());
  const std::string code = std::to_string(static_cast<int>(status));
  const std::string_view agent = net::find_header(call.headers(), "user-agent").value_or("");
  const std::array<LogField, 4> fields = {LogField{"code", code, kNumber}, LogField{"duration", milliseconds, kNumber},
                                          LogField{"method", call.method()}, LogField{"useragent", agent}};
  log_.log(LogLevel::kInfo, kScope, "gRPC API Called",
           std::span<const LogField>(fields).first(agent.empty() ? fields.size() - 1 : fields.size()));
}

}  // namespace tandem::api::grpc
