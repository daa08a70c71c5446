#include "components/grpc/service_list.h"

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <chrono>

#include "components/grpc/component_error.h"
#include "tandem/reflection/reflection.pb.h"

namespace tandem::components::grpc {
namespace {

namespace wire = ::tandem::reflection;

constexpr const char* kMethod = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

// Steps of a call that are waited for one by one; their tags mean nothing. Drained before it goes.
class Steps final {
 public:
  ~Steps() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  ::grpc::CompletionQueue& queue() { return queue_; }
  void* tag() { return this; }
  bool wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

 private:
  ::grpc::CompletionQueue queue_;
};

}  // namespace

Result<std::vector<std::string>> list_services(const std::shared_ptr<::grpc::Channel>& channel, SteadyTime deadline) {
  ::grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline - std::chrono::steady_clock::now()));
  Steps steps;
  ::grpc::TemplatedGenericStub<wire::ServerReflectionRequest, wire::ServerReflectionResponse> stub(channel);
  const auto call = stub.PrepareCall(&context, kMethod, &steps.queue());
  wire::ServerReflectionRequest request;
  request.set_list_services("*");
  wire::ServerReflectionResponse response;
  ::grpc::Status status;
  call->StartCall(steps.tag());
  bool answered = steps.wait();
  if (answered) {
    call->WriteLast(request, ::grpc::WriteOptions(), steps.tag());
    answered = steps.wait();
  }
  if (answered) {
    call->Read(&response, steps.tag());
    answered = steps.wait();
    // One that goes on with the stream is not listened to.
    if (answered) context.TryCancel();
  }
  call->Finish(&status, steps.tag());
  steps.wait();
  if (!answered) {
    if (status.ok()) return fail(Code::kUnavailable, "server reflection gave no answer");
    return fail(component_error(status));
  }
  if (!response.has_list_services_response()) {
    return fail(Code::kUnavailable, "server reflection failed: " + response.error_response().error_message());
  }
  std::vector<std::string> names;
  for (const wire::ServiceResponse& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }
  return names;
}

}  // namespace tandem::components::grpc
