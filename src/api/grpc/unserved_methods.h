// Every method that the typed service has not. Those of Dapr's service that belong to a block which is not configured
// here answer as daprd does then. A call of another one goes on to the app that its metadata name; without such a name
// those of Dapr's services are UNIMPLEMENTED by name, and all others refused as daprd refuses them.
//
// Owned by the door, outlives its server. Runs on the workers.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "api/grpc/api_options.h"
#include "base/error.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

// The error for a method, "/package.Service/Method"; `name` is what its request names, where the error repeats it.
Error unserved_error(std::string_view method, std::string_view name);
// Whether that error repeats a name from the request.
bool names_component(std::string_view method);
// The first field of a message when it is a string, the name in the requests that have one; empty when it is not.
std::string first_string_field(std::string_view message);

class UnservedMethods final : public net::grpc::CallService {
 public:
  // `options` outlive the service.
  explicit UnservedMethods(const ApiOptions& options) : api_(options) {}

  void serve(net::grpc::IncomingCall call) override;

  // How many passed calls have ended without an answer: their clients left, or the server ended. Any thread.
  std::size_t cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  class Call;
  ::grpc::Status status(std::string_view method, std::string_view name) const;

  const ApiOptions& api_;
  std::atomic<std::size_t> cancelled_ = 0;
};

}  // namespace tandem::api::grpc
