// The only place where an Error becomes an HTTP status and Dapr's JSON: {"errorCode","message"} and, for the blocks
// that carry them in Dapr 1.18, google.rpc "details" (ErrorInfo of domain dapr.io, ResourceInfo, BadRequest, Help).
//
// Plain functions, any thread, never throws.
// Source: https://docs.dapr.io/reference/errors/ and the answers of daprd 1.18.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "blocks/error_details.h"

namespace tandem::api::http {

struct WireError {
  int status = 500;
  std::string body;
};

WireError to_wire(const Error& error, const ErrorSite& site = {});

// Errors that the door itself finds, worded as Dapr words them.
Error malformed_request(std::string message);
// "failed deserializing HTTP body: …"
Error malformed_body(std::string_view mistake);
// Nothing answers this path and method, and no header names an app: 404, as Dapr takes every such request for an
// invocation.
Error no_app_id();
Error invoke_failed(Code code, std::string_view app_id, std::string_view cause);

}  // namespace tandem::api::http
