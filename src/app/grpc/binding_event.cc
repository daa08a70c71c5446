#include "app/grpc/binding_event.h"

#include <algorithm>
#include <utility>

#include "app/grpc/rpc_error.h"

namespace tandem::app::grpc {

namespace wire = ::dapr::proto::runtime::v1;

wire::BindingEventRequest binding_event(bindings::AppEvent event) {
  wire::BindingEventRequest request;
  request.set_name(std::move(event.binding));
  request.set_data(std::move(event.data));
  for (const auto& [name, value] : event.metadata) (*request.mutable_metadata())[name] = value;
  return request;
}

Result<bindings::AppAnswer> binding_answer(const ::grpc::Status& status, const wire::BindingEventResponse& response) {
  using Order = bindings::AppAnswer::Order;
  if (!status.ok()) {
    Error error = rpc_error(status);
    error.message = "error invoking app: " + error.message;
    return fail(std::move(error));
  }
  const bool parallel = response.concurrency() == wire::BindingEventResponse::PARALLEL;
  return bindings::AppAnswer{.data = response.data(),
                             .to = {response.to().begin(), response.to().end()},
                             .order = parallel ? Order::kParallel : Order::kSequential};
}

std::vector<std::string> wanted_bindings(const std::vector<bindings::BindingService::Input>& offered,
                                         const wire::ListInputBindingsResponse& response) {
  std::vector<std::string> wanted;
  for (const bindings::BindingService::Input& input : offered) {
    if (std::ranges::find(response.bindings(), input.name) != response.bindings().end()) wanted.push_back(input.name);
  }
  return wanted;
}

}  // namespace tandem::app::grpc
