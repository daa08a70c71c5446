#include "api/grpc/unserved_methods.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "blocks/sidecar/unconfigured.h"
#include "net/grpc/passed_call.h"

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

std::string bytes_of(const ::grpc::ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const ::grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
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

// Lives until gRPC is done with it.
class UnservedMethods::Call final : public ::grpc::ServerGenericBidiReactor {
 public:
  Call(const ApiOptions& api, std::string method) : api_(api), method_(std::move(method)) {}

  void begin() {
    if (names_component(method_)) {
      StartRead(&request_);
    } else {
      finish(status({}));
    }
  }
  void finish(::grpc::Status status) {
    if (!finished_.exchange(true)) Finish(std::move(status));
  }

 private:
  void OnReadDone(bool ok) override {
    const std::string name = ok ? first_string_field(bytes_of(request_)) : std::string();
    finish(status(name));
  }
  void OnCancel() override { finish(::grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

  ::grpc::Status status(std::string_view name) const {
    return to_status(unserved_error(method_, name), {.app_id = api_.app_id, .app_namespace = api_.invoke.name_space()});
  }

  const ApiOptions& api_;
  const std::string method_;
  ::grpc::ByteBuffer request_;
  std::atomic<bool> finished_ = false;
};

::grpc::ServerGenericBidiReactor* UnservedMethods::CreateReactor(::grpc::GenericCallbackServerContext* server) {
  if (auto refused = check_access(*server, server->method(), api_.access, api_.api_token)) {
    return net::grpc::refuse_call(std::move(*refused));
  }
  if (api_.routes != nullptr && !facility_of(server->method())) {
    if (const auto callee = net::grpc::callee_of(*server)) {
      return net::grpc::pass_call(*server, *callee, *api_.routes, {.caller = api_.app_id, .cancelled = cancelled_});
    }
  }
  auto* call = new Call(api_, server->method());
  call->begin();
  return call;
}

}  // namespace tandem::api::grpc
