// What bindings.http sends for a call, and where a redirection leads: URLs and headers as Go's client would make them.
//
// Plain functions and values, any thread, never throw.
// Source: https://docs.dapr.io/reference/components-reference/supported-bindings/http/.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "blocks/bindings/output_binding.h"
#include "components/bindings/http/http_binding_options.h"
#include "net/response_sink.h"

namespace tandem::components {

struct HttpBindingRequest {
  std::string method;  // upper case
  std::string url;     // escaped, without a fragment
  net::OwnedHeaders headers;
  std::string body;
  bool error_if_not_2xx = true;
};

// Metadata whose names begin with a capital letter are headers, "path" is put behind the URL, "errorIfNot2XX" counts
// for this call. Fails with kInvalidArgument when the URL or a header is none.
Result<HttpBindingRequest> http_binding_request(const HttpBindingOptions& options, bindings::InvokeRequest call);

// Whether an answer of this status and Location is followed, and if so how the request goes on: `request` is changed.
// Another host gets neither the security token nor credentials. Fails with kInvalidArgument when the location is none.
Result<bool> follow_redirect(const HttpBindingOptions& options, int status, std::string_view location,
                             HttpBindingRequest& request);

// The metadata of an answer: its headers, several of one name joined by commas, "status" and "statusCode".
Metadata http_answer_metadata(int status, net::Headers headers);

// `url` without a fragment, and with what has no place in a URL percent-encoded. Fails with kInvalidArgument for
// control characters, and for a percent sign that begins no escape.
Result<std::string> escape_url(std::string_view url);

// "content-type" -> "Content-Type"; a name that is no token stays as it is.
std::string canonical_header_name(std::string_view name);

}  // namespace tandem::components
