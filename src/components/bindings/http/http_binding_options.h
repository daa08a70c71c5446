// What bindings.http is configured with, read from a component's metadata. Plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "config/component_metadata.h"
#include "net/tls_client.h"

namespace tandem::components {

struct HttpBindingOptions {
  std::string url;                                            // http:// or https://, as the user wrote it
  std::optional<std::chrono::milliseconds> response_timeout;  // of a call, redirections included
  std::optional<std::uint64_t> max_response_bytes = std::uint64_t{100} << 20;  // none: no limit
  std::string security_token;
  std::string security_token_header;          // a header name; empty: the token is not sent
  bool error_if_not_2xx = true;               // a call can say otherwise
  std::shared_ptr<const net::TlsClient> tls;  // null: no certificate, the system's authorities
};

// Reads files that metadata name. Fails with kInvalidArgument, naming the key.
Result<HttpBindingOptions> read_http_binding_options(const config::MetadataReader& metadata);

}  // namespace tandem::components
