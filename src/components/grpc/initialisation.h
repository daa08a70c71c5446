// The first call to every component: Init, with the metadata of its YAML; and the same once more on a new connection.
//
// `Method` is the method of the service's stub: how the four services, which have an Init each, differ.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "components/grpc/component_error.h"
#include "components/grpc/connection.h"

namespace tandem::components::grpc {

// What another Init may take, for which callers wait.
inline constexpr std::chrono::seconds kInitialiseLimit{5};

// Waits for the answer, until `deadline`. The stub lives until the connection is closed.
template <class Request, class Response, class Stub>
Status initialise(Connection& connection, Stub& stub, const Metadata& properties, SteadyTime deadline) {
  Request request;
  fill(*request.mutable_metadata()->mutable_properties(), properties);
  {
    ::grpc::ClientContext context;
    connection.prepare(context, deadline);
    Response response;
    if (const ::grpc::Status status = stub.Init(&context, request, &response); !status.ok()) {
      return fail(component_error(status));
    }
  }
  connection.initialised(
      [&connection, &stub, request = std::move(request)](std::function<void(const ::grpc::Status&)> done) {
        auto call = std::make_shared<Call<Request, Response>>();
        connection.prepare(call->context, std::chrono::steady_clock::now() + kInitialiseLimit);
        call->request = request;
        connection.ask_at_once(
            std::move(call),
            [&stub](auto& begun, auto ended) {
              stub.async()->Init(&begun.context, &begun.request, &begun.response, std::move(ended));
            },
            [done = std::move(done)](const ::grpc::Status& status, auto&) { done(status); });
      });
  return {};
}

}  // namespace tandem::components::grpc
