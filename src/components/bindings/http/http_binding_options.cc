#include "components/bindings/http/http_binding_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "components/bindings/http/http_binding_request.h"
#include "config/diagnostics.h"
#include "config/http_endpoint.h"
#include "config/quantity.h"
#include "config/text.h"
#include "net/http_head.h"

namespace tandem::components {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxPemBytes = std::size_t{1} << 20;

// A text in PEM, or the path of a file that has one.
Result<std::string> read_pem(const config::MetadataReader& metadata, std::string_view key) {
  std::string value = metadata.get_string(key);
  if (value.empty() || value.contains("-----BEGIN ")) return value;
  config::Diagnostics diagnostics;
  std::optional<std::string> text = config::read_text_file(value, kMaxPemBytes, diagnostics);
  if (text && text->contains("-----BEGIN ")) return std::move(*text);
  return fail(Code::kInvalidArgument,
              fmt::format("{}: neither PEM nor the path of a PEM file: {}", key, config::printable(value)));
}

Status read_tls(const config::MetadataReader& metadata, HttpBindingOptions& options) {
  constexpr std::array<std::string_view, 3> kKeys = {"MTLSRootCA", "MTLSClientCert", "MTLSClientKey"};
  std::array<std::string, 3> texts;
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    Result<std::string> text = read_pem(metadata, kKeys[i]);
    if (!text) return fail(std::move(text.error()));
    texts[i] = std::move(*text);
  }
  if (std::ranges::all_of(texts, &std::string::empty)) return {};
  auto tls = net::TlsClient::make({.ca_pem = texts[0], .certificate_pem = texts[1], .key_pem = texts[2]});
  if (!tls) return fail(std::move(tls.error()));
  options.tls = std::move(*tls);
  return {};
}

Status read_limit(const config::MetadataReader& metadata, HttpBindingOptions& options) {
  const std::string text = metadata.get_string("maxResponseBodySize");
  if (text.empty()) return {};
  if (trim(text).starts_with('-')) {
    options.max_response_bytes.reset();
    return {};
  }
  const Result<std::uint64_t> bytes = config::parse_quantity(text);
  if (!bytes) return fail(Code::kInvalidArgument, "maxResponseBodySize: " + bytes.error().message);
  options.max_response_bytes.reset();
  if (*bytes > 0) options.max_response_bytes = *bytes;
  return {};
}

}  // namespace

Result<HttpBindingOptions> read_http_binding_options(const config::MetadataReader& metadata) {
  HttpBindingOptions options{.url = metadata.get_string("url"),
                             .response_timeout = {},
                             .security_token = metadata.get_string("securityToken"),
                             .security_token_header = metadata.get_string("securityTokenHeader"),
                             .error_if_not_2xx = metadata.get_bool("errorIfNot2XX", true),
                             .tls = {}};
  const Result<std::string> url = escape_url(options.url);
  if (!url || !config::parse_base_url(*url)) {
    return fail(Code::kInvalidArgument,
                fmt::format("url: not a URL: {}; it is http:// or https://, a host, perhaps a port and a path",
                            config::printable(options.url)));
  }
  if (metadata.has("responseTimeout")) {
    options.response_timeout = std::chrono::ceil<milliseconds>(metadata.get_duration("responseTimeout"));
    if (options.response_timeout->count() <= 0) {
      return fail(Code::kInvalidArgument, "responseTimeout: must be above zero");
    }
  }
  if (!options.security_token_header.empty() &&
      !net::valid_header({options.security_token_header, options.security_token})) {
    return fail(Code::kInvalidArgument, "securityTokenHeader, securityToken: not a header of HTTP");
  }
  if (Status status = read_limit(metadata, options); !status) return fail(std::move(status.error()));
  if (Status status = read_tls(metadata, options); !status) return fail(std::move(status.error()));
  return options;
}

}  // namespace tandem::components
