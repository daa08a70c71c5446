#include "api/grpc/unserved_methods.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "blocks/sidecar/unconfigured.h"
#include "net/grpc/passed_call.h"
#include "net/grpc/server_stream.h"

namespace tandem::api::grpc {
namespace {

using sidecar::Facility;

constexpr std::string_view kService = "/dapr.proto.runtime.v1.Dapr/";
constexpr std::string_view kDapr = "/dapr.proto.";

// A method by how its name begins; the first that fits counts.
struct Family {
  std::string_view begin;
  Facility facility;
};
constexpr std::array kFamilies = {
    Family{"TryLockAlpha1", Facility::kLock},
    Family{"UnlockAlpha1", Facility::kLock},
    Family{"EncryptAlpha1", Facility::kCrypto},
    Family{"DecryptAlpha1", Facility::kCrypto},
    Family{"Subtle", Facility::kSubtleCrypto},
    Family{"RegisterActor", Facility::kActors},
    Family{"UnregisterActor", Facility::kActors},
    Family{"ListActorReminders", Facility::kActors},
    Family{"GetActor", Facility::kActors},
    Family{"ExecuteActorStateTransaction", Facility::kActors},
    Family{"InvokeActor", Facility::kActors},
    Family{"StartWorkflow", Facility::kWorkflows},
    Family{"GetWorkflow", Facility::kWorkflows},
    Family{"PurgeWorkflow", Facility::kWorkflows},
    Family{"TerminateWorkflow", Facility::kWorkflows},
    Family{"PauseWorkflow", Facility::kWorkflows},
    Family{"ResumeWorkflow", Facility::kWorkflows},
    Family{"RaiseEventWorkflow", Facility::kWorkflows},
    Family{"ScheduleJob", Facility::kScheduleJob},
    Family{"GetJob", Facility::kGetJob},
    Family{"DeleteJob", Facility::kDeleteJob},
    Family{"ListJobs", Facility::kListJobs},
    Family{"ConverseAlpha", Facility::kConversation},
};

std::optional<Facility> facility_of(std::string_view method) {
  if (!method.starts_with(kService)) return std::nullopt;
  const std::string_view name = method.substr(kService.size());
  const auto found = std::ranges::find_if(kFamilies, [&](const Family& one) { return name.starts_with(one.begin); });
  if (found == kFamilies.end()) return std::nullopt;
  return found->facility;
}

}  // namespace

Error unserved_error(std::string_view method, std::string_view name) {
  if (const auto facility = facility_of(method)) return sidecar::unconfigured_error(*facility, name);
  if (!method.starts_with(kDapr)) {
    return {Code::kUnknown, "",
            "failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found"};
  }
  const std::size_t slash = method.rfind('/');
  const std::string_view service = method.substr(0, slash == std::string_view::npos ? 0 : slash);
  return {Code::kUnimplemented, "",
          fmt::format("method {} of service {} is not served here",
                      slash == std::string_view::npos ? method : method.substr(slash + 1),
                      service.starts_with('/') ? service.substr(1) : service)};
}

bool names_component(std::string_view method) { return facility_of(method) == Facility::kConversation; }

std::string first_string_field(std::string_view message) {
  using ::google::protobuf::internal::WireFormatLite;
  ::google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.data()),
                                              static_cast<int>(message.size()));
  std::string text;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (tag == WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED)) {
      std::uint32_t size = 0;
      if (!in.ReadVarint32(&size) || !in.ReadString(&text, static_cast<int>(size))) return {};
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return {};
    }
  }
  return text;
}

// Waits for the message, which has the name that the error repeats.
class UnservedMethods::Call final : public net::grpc::ServerStream {
 public:
  Call(const UnservedMethods& home, net::grpc::IncomingCall call) : ServerStream(std::move(call)), home_(home) {}

  void open() {
    begin();
    start_read();
  }

 private:
  void on_read(std::optional<std::string_view> message) override {
    if (!call().is_open()) return;
    finish(home_.status(call().method(), first_string_field(message.value_or(""))));
  }
  void on_written(bool) override {}
  void on_gone() override { finish(::grpc::Status::CANCELLED); }

  const UnservedMethods& home_;
};

::grpc::Status UnservedMethods::status(std::string_view method, std::string_view name) const {
  return to_status(unserved_error(method, name), {.app_id = api_.app_id, .app_namespace = api_.invoke.name_space()});
}

void UnservedMethods::serve(net::grpc::IncomingCall call) {
  if (auto refused = check_access(call.headers(), call.method(), api_.access, api_.api_token)) {
    return net::grpc::refuse_call(std::move(call), *refused);
  }
  if (api_.routes != nullptr && !facility_of(call.method())) {
    if (const auto callee = net::grpc::callee_of(*call.exchange)) {
      return net::grpc::pass_call(std::move(call), *callee, *api_.routes,
                                  {.caller = api_.app_id, .cancelled = cancelled_});
    }
  }
  if (names_component(call.method())) return std::make_shared<Call>(*this, std::move(call))->open();
  const ::grpc::Status answer = status(call.method(), {});
  net::grpc::refuse_call(std::move(call), answer);
}

}  // namespace tandem::api::grpc
