// An Exchange without a socket: a guest's own HTTP to the Dapr API, a pub/sub delivery, a call between two apps of this
// process. The answer goes straight into a ResponseSink, inside the handler's own calls.
//
// Belongs to the worker that makes it, like any Exchange. Answering follows the rules of net/http.h: a Content-Length
// among the headers of start() is checked; HEAD, 204 and 304 carry no body; destroyed unanswered is a 500; destroyed in
// the middle, and refuse(), are on_error().
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/call_context.h"
#include "net/http.h"
#include "net/response_sink.h"

namespace tandem::net {

struct OwnedRequest {
  std::string method = "GET";
  std::string scheme = "http";
  std::string authority;  // "localhost:3500"
  std::string target = "/";
  OwnedHeaders headers;
};

// A header of the request that is not valid HTTP is left out, whoever let it through: it could pass for another one
// further on.
std::unique_ptr<Exchange> make_in_process_exchange(OwnedRequest request, RequestBody body, CallContext context,
                                                   std::unique_ptr<ResponseSink> sink);

// The same with a body that others hold too: it is not copied.
std::unique_ptr<Exchange> make_in_process_exchange(OwnedRequest request, SharedBytes body, CallContext context,
                                                   std::unique_ptr<ResponseSink> sink);

// A body that is all there.
std::unique_ptr<BodySource> make_body(std::string bytes);

}  // namespace tandem::net
