#include "api/grpc/api_log.h"

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "api/grpc/call_metadata.h"

namespace tandem::api::grpc {
namespace {

using ::grpc::experimental::InterceptionHookPoints;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kScope = "dapr.runtime.grpc.api-info";  // daprd's: tools look for it

}  // namespace

class ApiLog::Call final : public ::grpc::experimental::Interceptor {
 public:
  Call(const ApiLog& log, ::grpc::experimental::ServerRpcInfo& info) : log_(log), info_(info), started_(Clock::now()) {}

  void Intercept(::grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      write(methods->GetSendStatus().error_code());
    }
    methods->Proceed();
  }

 private:
  void write(::grpc::StatusCode status) {
    const ::grpc::ServerContextBase& server = *info_.server_context();
    if (check_access(server, info_.method(), log_.api_.access, log_.api_.api_token)) return;
    constexpr auto kNumber = LogField::Kind::kNumber;
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
    const std::string duration = std::to_string(elapsed.count());
    const std::string code = std::to_string(static_cast<int>(status));
    const std::string_view agent = find_metadata(server, "user-agent").value_or("");
    const std::array<LogField, 4> fields = {LogField{"code", code, kNumber}, LogField{"duration", duration, kNumber},
                                            LogField{"method", info_.method()}, LogField{"useragent", agent}};
    log_.log_.log(LogLevel::kInfo, kScope, "gRPC API Called",
                  std::span<const LogField>(fields).first(agent.empty() ? fields.size() - 1 : fields.size()));
  }

  const ApiLog& log_;
  ::grpc::experimental::ServerRpcInfo& info_;
  const Clock::time_point started_;
};

ApiLog::ApiLog(const ApiOptions& options) : api_(options), log_(options.log->with_level(LogLevel::kInfo)) {}

::grpc::experimental::Interceptor* ApiLog::CreateServerInterceptor(::grpc::experimental::ServerRpcInfo* info) {
  return new Call(*this, *info);  // the library's
}

}  // namespace tandem::api::grpc
