#include "api/http/api_log.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include "api/http/invoke_routes.h"

namespace tandem::api::http {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kScope = "dapr.runtime.http-info";  // daprd's: tools look for it

// The end of a path, and what daprd calls it.
struct Named {
  std::string_view word;
  std::string_view name;
};

template <std::size_t kSize>
std::string name_of(const std::array<Named, kSize>& names, std::string_view word) {
  for (const Named& one : names) {
    if (one.word == word) return std::string(one.name);
  }
  return {};
}

std::string state_name(std::string_view method, const Target& target) {
  if (method == "GET") return "GetState";
  if (method == "DELETE") return "DeleteState";
  if (target.size() == 3) return "SaveState";
  constexpr std::array kNames = {Named{"bulk", "GetBulkState"}, Named{"transaction", "ExecuteStateTransaction"},
                                 Named{"query", "QueryStateAlpha1"}};
  return name_of(kNames, target[3]);
}

std::string actor_name(std::string_view method, const Target& target) {
  const std::string_view kind = target[4];
  if (kind == "method") {
    const auto actor = unescape_query(fmt::format("{}.{}", target[2], target[3]));
    return actor ? "InvokeActor/" + *actor : "InvokeActor";
  }
  if (kind == "state") return method == "GET" ? "GetActorState" : "ExecuteActorStateTransaction";
  const std::string_view what = kind == "timers" ? "ActorTimer" : "ActorReminder";
  return fmt::format("{}{}", method == "GET" ? "Get" : method == "DELETE" ? "Unregister" : "Register", what);
}

std::string workflow_name(std::string_view method, const Target& target) {
  if (method == "GET") return "GetWorkflow";
  constexpr std::array kNames = {Named{"start", "StartWorkflow"},           Named{"pause", "PauseWorkflow"},
                                 Named{"resume", "ResumeWorkflow"},         Named{"terminate", "TerminateWorkflow"},
                                 Named{"raiseEvent", "RaiseEventWorkflow"}, Named{"purge", "PurgeWorkflow"}};
  return name_of(kNames, target[4]);
}

std::string configuration_name(const Target& target) {
  if (target.size() == 3) return "GetConfiguration";
  return target.size() == 4 ? "SubscribeConfiguration" : "UnsubscribeConfiguration";
}

std::string job_name(std::string_view method) {
  return method == "POST" ? "ScheduleJob" : method == "GET" ? "GetJob" : "DeleteJob";
}

}  // namespace

std::string endpoint_name(std::string_view method, const Target& target) {
  const std::string_view block = target[1];
  if (block == "state") return state_name(method, target);
  if (block == "publish") return target[2] == "bulk" && target.size() >= 5 ? "BulkPublishEvent" : "PublishEvent";
  if (block == "healthz") return target.size() == 2 ? "Healthz" : "HealthzOutbound";
  if (block == "metadata") return method == "GET" ? "GetMetadata" : "PutMetadata";
  if (block == "secrets") return target[3] == "bulk" ? "GetBulkSecret" : "GetSecret";
  if (block == "configuration") return configuration_name(target);
  if (block == "actors") return actor_name(method, target);
  if (block == "workflows") return workflow_name(method, target);
  if (block == "jobs") return job_name(method);
  if (block == "crypto") return target[3] == "encrypt" ? "Encrypt" : "Decrypt";
  if (block == "subtlecrypto") {
    constexpr std::array kNames = {Named{"getkey", "SubtleGetKey"},       Named{"encrypt", "SubtleEncrypt"},
                                   Named{"decrypt", "SubtleDecrypt"},     Named{"wrapkey", "SubtleWrapKey"},
                                   Named{"unwrapkey", "SubtleUnwrapKey"}, Named{"sign", "SubtleSign"},
                                   Named{"verify", "SubtleVerify"}};
    return name_of(kNames, target[3]);
  }
  constexpr std::array kNames = {Named{"bindings", "InvokeBinding"}, Named{"shutdown", "Shutdown"},
                                 Named{"lock", "TryLock"}, Named{"unlock", "Unlock"},
                                 Named{"conversation", "Converse"}};
  return name_of(kNames, block);
}

class ApiLog::Watched final : public net::Exchange {
 public:
  Watched(std::unique_ptr<net::Exchange> inner, const Logger& log, std::string method)
      : inner_(std::move(inner)), log_(log), method_(std::move(method)), started_(Clock::now()) {}
  ~Watched() override { end(status_ == 0 ? 500 : status_); }

  const net::RequestHead& head() const override { return inner_->head(); }
  net::BodySource& body() override { return inner_->body(); }
  CallContext& context() override { return inner_->context(); }
  bool gone() const override { return inner_->gone(); }

  // Written before the last of the answer leaves: whoever has that finds the line.
  void respond(int status, net::Headers headers, std::string_view body) override {
    status_ = status;
    count(body);
    end(status);
    inner_->respond(status, headers, body);
  }
  void start(int status, net::Headers headers) override {
    status_ = status;
    inner_->start(status, headers);
  }
  void write(std::string_view piece, Completion<void> done) override {
    count(piece);
    inner_->write(piece, std::move(done));
  }
  void finish(net::Headers trailers) override {
    end(status_);
    inner_->finish(trailers);
  }
  void abort() override { inner_->abort(); }
  void refuse(const Error& error) override {
    if (status_ == 0) status_ = 500;
    end(status_);
    inner_->refuse(error);
  }

 private:
  void count(std::string_view piece) {
    if (status_ != 204 && status_ != 304) size_ += piece.size();
  }
  void end(int status) {
    if (std::exchange(ended_, true)) return;
    constexpr auto kNumber = LogField::Kind::kNumber;
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
    const std::string duration = std::to_string(elapsed.count());
    const std::string code = std::to_string(status);
    const std::string size = std::to_string(size_);
    const std::string_view agent = net::find_header(head().headers, "user-agent").value_or("");
    const std::array<LogField, 5> fields = {LogField{"code", code, kNumber}, LogField{"duration", duration, kNumber},
                                            LogField{"method", method_}, LogField{"size", size, kNumber},
                                            LogField{"useragent", agent}};
    log_.log(LogLevel::kInfo, kScope, "HTTP API Called",
             std::span<const LogField>(fields).first(agent.empty() ? fields.size() - 1 : fields.size()));
  }

  const std::unique_ptr<net::Exchange> inner_;
  const Logger log_;  // its own: a component may give the exchange up after the app has gone
  const std::string method_;
  const Clock::time_point started_;
  std::uint64_t size_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

ApiLog::ApiLog(const Logger& log, Method method, HealthChecks health_checks)
    : log_(log.with_level(LogLevel::kInfo)), method_(method), health_checks_(health_checks) {}

std::unique_ptr<net::Exchange> ApiLog::watch(std::unique_ptr<net::Exchange> exchange, const Target& target,
                                             By by) const {
  const net::RequestHead& head = exchange->head();
  if (by == By::kEndpoint && target[1] == "healthz" && health_checks_ == HealthChecks::kOmitted) return exchange;
  std::string method;
  if (method_ == Method::kPath) {
    const auto path = unescape_path(target.raw_path());
    method = fmt::format("{} {}", head.method, path ? std::string_view(*path) : target.raw_path());
  } else if (by == By::kEndpoint) {
    method = endpoint_name(head.method, target);
  } else if (by == By::kInvocation) {
    const std::string app_id = find_invoke_target(target.raw_path(), head.headers).app_id;
    method = app_id.empty() ? "InvokeService" : "InvokeService/" + app_id;
  }
  return std::make_unique<Watched>(std::move(exchange), log_, std::move(method));
}

}  // namespace tandem::api::http
