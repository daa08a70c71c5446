#include "api/grpc/binding_methods.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "net/grpc/header_metadata.h"
#include "telemetry/baggage.h"

namespace tandem::api::grpc {
namespace {

// The trace of the call counts for more than what its message says; the token is nobody's business.
void add_call_metadata(const net::grpc::ServerCall& call, Metadata& metadata) {
  call.for_each_metadatum([&](std::string_view name, std::string_view text) {
    if (name == "dapr-api-token" || name.ends_with("-bin")) return;
    if (name == "baggage") return;
    if (name == "traceparent" || name == "tracestate") {
      metadata.insert_or_assign(std::string(name), std::string(text));
    } else if (name.starts_with("grpc-")) {
      metadata.try_emplace("dapr-" + std::string(name), text);
    } else {
      metadata.try_emplace(std::string(name), text);
    }
  });
}

void send_metadata(AnswerMetadata& answer, const Metadata& metadata) {
  for (const auto& [name, value] : metadata) {
    std::string key = "metadata." + name;
    std::ranges::transform(key, key.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    if (net::grpc::is_metadata(key, value)) answer.add_initial(key, value);
  }
}

}  // namespace

void invoke_binding(const ApiOptions& api, Executor& late, const SharedCall& call,
                    const wire::InvokeBindingRequest& request, wire::InvokeBindingResponse& response) {
  bindings::InvokeCall invocation{.binding = request.name(),
                                  .operation = request.operation(),
                                  .data = request.data(),
                                  .metadata = to_metadata(request.metadata())};
  add_call_metadata(call->server(), invocation.metadata);
  std::string baggage = baggage_of(call->server().headers());
  if (const auto read = telemetry::read_baggage(baggage); !read) {
    call->fail({::grpc::StatusCode::UNKNOWN, read.error().message});
    return;
  }
  if (!baggage.empty()) invocation.metadata.insert_or_assign("baggage", std::move(baggage));
  api.bindings.invoke({call->context(), late}, std::move(invocation),
                      [call, &response](const Result<bindings::InvokeAnswer>& answer) {
                        call->answer([&](AnswerMetadata& metadata) {
                          if (!answer) return to_status(answer.error());
                          send_metadata(metadata, answer->metadata);
                          if (answer->failure) return to_status(*answer->failure);
                          if (answer->data != nullptr) response.set_data(*answer->data);
                          for (const auto& [name, value] : answer->metadata)
                            (*response.mutable_metadata())[name] = value;
                          return ::grpc::Status::OK;
                        });
                      });
}

}  // namespace tandem::api::grpc
