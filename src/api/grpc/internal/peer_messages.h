// Requests and answers of HTTP as sidecars send them to each other (dapr.proto.internals.v1), and back.
//
// Plain functions, any thread, never throw. Header names travel in Go's canonical form, as daprd sends them and looks
// for them; the names of Dapr's own headers travel in lower case. Source: the behaviour of daprd 1.18.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/result.h"
#include "blocks/invoke/method.h"
#include "dapr/proto/internals/v1/service_invocation.pb.h"
#include "net/http.h"
#include "net/in_process.h"

namespace tandem::api::grpc {

namespace peer = ::dapr::proto::internals::v1;

// Of a body, in one message: well under what any receiver takes.
inline constexpr std::size_t kPieceBytes = std::size_t{32} << 10;

// Who calls whom, and from where.
struct PeerCall {
  std::string_view caller_app_id;
  std::string_view caller_namespace;
  std::string_view callee_app_id;  // without a namespace
  // Of this machine, for the Forwarded headers; empty: not known.
  std::string_view host_address;
  std::string_view host_name;
};

// "Content-Type" for "content-type".
std::string canonical_name(std::string_view name);

// The request without its body. `body_bytes`: its length, where it is known and the head does not say it.
void fill_request(const net::RequestHead& head, const PeerCall& call, std::optional<std::size_t> body_bytes,
                  peer::InternalInvokeRequest& out);
// What the called app gets. Fails with kInvalidArgument in daprd's words.
Result<net::OwnedRequest> request_of(const peer::InternalInvokeRequest& message, std::string_view authority,
                                     invoke::MethodIn method_in);
// The caller that a request names; "unknown" when it names none.
std::string caller_of(const peer::InternalInvokeRequest& message);
// The Content-Length of a request, if it has a valid one.
std::optional<std::uint64_t> announced_length(const peer::InternalInvokeRequest& message);

// The answer without its body.
void fill_response(int status, net::Headers headers, std::optional<std::size_t> body_bytes,
                   peer::InternalInvokeResponse& out);

// An answer as the caller's door passes it on.
struct PeerAnswer {
  int status = 200;
  net::OwnedHeaders headers;
  // Takes the place of the body that follows: the app is a gRPC one and its call failed.
  std::optional<std::string> body;
};
PeerAnswer answer_of(const peer::InternalInvokeResponse& message);

}  // namespace tandem::api::grpc
