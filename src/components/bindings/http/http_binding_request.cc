#include "components/bindings/http/http_binding_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "config/component_metadata.h"
#include "config/http_endpoint.h"
#include "net/http_head.h"

namespace tandem::components {
namespace {

constexpr std::string_view kJson = "application/json; charset=utf-8";

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_hex(char c) { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f'); }

std::unexpected<Error> wrong(std::string message) { return fail(Code::kInvalidArgument, std::move(message)); }

bool has_body(std::string_view method) { return method == "PUT" || method == "POST" || method == "PATCH"; }

void set_header(net::OwnedHeaders& headers, std::string_view name, std::string_view value) {
  const auto same = std::ranges::find_if(
      headers, [&](const net::OwnedHeader& one) { return net::equals_ignoring_case(one.name, name); });
  if (same == headers.end()) {
    headers.push_back({std::string(name), std::string(value)});
  } else {
    same->value = value;
  }
}

void remove_header(net::OwnedHeaders& headers, std::string_view name) {
  std::erase_if(headers, [&](const net::OwnedHeader& one) { return net::equals_ignoring_case(one.name, name); });
}

std::string joined(std::string_view url, std::string_view path) {
  while (url.ends_with('/')) url.remove_suffix(1);
  while (path.starts_with('/')) path.remove_prefix(1);
  return fmt::format("{}/{}", url, path);
}

// RFC 3986, 5.2.4, for a path that begins with a slash.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    const bool last = end == path.size();
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
      if (last) kept.emplace_back();
    } else if (segment == ".") {
      if (last) kept.emplace_back();
    } else {
      kept.push_back(segment);
    }
    begin = end + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  return out.empty() ? "/" : out;
}

// RFC 3986, 3.1: letters, digits, "+", "-" and "." in front of a colon.
bool has_scheme(std::string_view url) {
  const std::size_t colon = url.find(':');
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '+' || c == '-' || c == '.';
  };
  return colon != std::string_view::npos && colon > 0 && std::ranges::all_of(url.substr(0, colon), fits);
}

// RFC 3986, 5.2.2; both are escaped.
std::string resolved(const config::BaseUrl& base, std::string_view location) {
  if (has_scheme(location)) return std::string(location);
  if (location.starts_with("//")) return fmt::format("{}:{}", base.scheme, location);
  std::string_view path = base.path.substr(0, base.path.find('?'));
  if (location.starts_with('?')) return fmt::format("{}://{}{}{}", base.scheme, base.authority, path, location);
  std::string target(location);
  if (!location.starts_with('/')) {
    const std::size_t slash = path.rfind('/');
    target =
        fmt::format("{}/{}", slash == std::string_view::npos ? std::string_view() : path.substr(0, slash), location);
  }
  const std::size_t query = std::min(target.find('?'), target.size());
  return fmt::format("{}://{}{}{}", base.scheme, base.authority,
                     without_dots(std::string_view(target).substr(0, query)), std::string_view(target).substr(query));
}

void forget_secrets(const HttpBindingOptions& options, net::OwnedHeaders& headers) {
  for (const std::string_view name :
       {"authorization", "www-authenticate", "cookie", "cookie2", "proxy-authorization", "proxy-authenticate"}) {
    remove_header(headers, name);
  }
  if (!options.security_token_header.empty()) remove_header(headers, options.security_token_header);
}

}  // namespace

Result<std::string> escape_url(std::string_view url) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kUnfit = " \"<>\\^`{|}";
  url = url.substr(0, url.find('#'));
  std::string out;
  out.reserve(url.size());
  bool in_query = false;
  for (std::size_t i = 0; i < url.size(); ++i) {
    const char c = url[i];
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return wrong("invalid control character in URL");
    if (c == '?') in_query = true;
    if (c == '%' && !in_query && (i + 2 >= url.size() || !is_hex(url[i + 1]) || !is_hex(url[i + 2]))) {
      return wrong(fmt::format("invalid URL escape \"{}\"", url.substr(i, 3)));
    }
    if (byte >= 0x80 || kUnfit.contains(c)) {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 0xF];
    } else {
      out += c;
    }
  }
  return out;
}

std::string canonical_header_name(std::string_view name) {
  std::string out(name);
  if (!net::valid_token(name)) return out;
  bool first = true;
  for (char& c : out) {
    c = first ? upper(c) : lower(c);
    first = c == '-';
  }
  return out;
}

Result<HttpBindingRequest> http_binding_request(const HttpBindingOptions& options, bindings::InvokeRequest call) {
  HttpBindingRequest request{.error_if_not_2xx = options.error_if_not_2xx};
  const auto said = [&](std::string_view name) {
    const auto found = call.metadata.find(name);
    return found == call.metadata.end() ? std::string_view() : std::string_view(found->second);
  };
  if (const auto text = said("errorIfNot2XX"); !text.empty()) request.error_if_not_2xx = config::is_truthy(text);
  request.method = call.operation == "create" ? "POST" : std::move(call.operation);
  std::ranges::transform(request.method, request.method.begin(), upper);

  const std::string_view path = said("path");
  const std::string url = path.empty() ? options.url : joined(options.url, path);
  Result<std::string> escaped = escape_url(url);
  if (!escaped) return wrong(fmt::format("parse \"{}\": {}", url, escaped.error().message));
  if (!config::parse_base_url(*escaped)) return wrong(fmt::format("parse \"{}\": no URL of http or https", url));
  request.url = std::move(*escaped);

  if (has_body(request.method)) {
    request.body = std::move(call.data);
    set_header(request.headers, "Content-Type", kJson);
  }
  set_header(request.headers, "Accept", kJson);
  if (!options.security_token.empty() && !options.security_token_header.empty()) {
    set_header(request.headers, options.security_token_header, options.security_token);
  }
  for (const auto& [name, value] : call.metadata) {
    const bool is_header = !name.empty() && name.front() >= 'A' && name.front() <= 'Z';
    if (!is_header || net::equals_ignoring_case(name, "host") || net::is_framing_header(name)) continue;
    set_header(request.headers, canonical_header_name(name), value);
  }
  for (const std::string_view name : {"traceparent", "tracestate", "baggage"}) {
    if (const auto text = said(name); !text.empty()) set_header(request.headers, name, text);
  }
  for (const net::OwnedHeader& header : request.headers) {
    if (!net::valid_token(header.name)) return wrong(fmt::format("invalid header field name \"{}\"", header.name));
    if (!net::valid_header({header.name, header.value})) {
      return wrong(fmt::format("invalid header field value for \"{}\"", header.name));
    }
  }
  return request;
}

Result<bool> follow_redirect(const HttpBindingOptions& options, int status, std::string_view location,
                             HttpBindingRequest& request) {
  constexpr std::array kFollowed = {301, 302, 303, 307, 308};
  if (location.empty() || std::ranges::find(kFollowed, status) == kFollowed.end()) return false;
  const auto base = config::parse_base_url(request.url);
  if (!base) return false;
  const Result<std::string> escaped = escape_url(location);
  if (!escaped) return wrong(fmt::format("failed to parse Location header: {}", escaped.error().message));
  std::string next = resolved(*base, *escaped);
  const auto target = config::parse_base_url(next);
  if (!target) return wrong(fmt::format("the redirection leads to no URL of http or https: {}", next));
  if (target->host != base->host || target->port != base->port || target->scheme != base->scheme) {
    forget_secrets(options, request.headers);
  }
  if (status < 307) {
    if (request.method != "HEAD") request.method = "GET";
    request.body.clear();
    for (const std::string_view name : {"content-type", "content-encoding", "content-language"}) {
      remove_header(request.headers, name);
    }
  }
  request.url = std::move(next);
  return true;
}

Metadata http_answer_metadata(int status, net::Headers headers) {
  Metadata metadata;
  for (const net::Header& header : headers) {
    const auto [at, is_new] = metadata.try_emplace(canonical_header_name(header.name), header.value);
    if (!is_new) at->second.append(", ").append(header.value);
  }
  metadata.insert_or_assign("statusCode", fmt::format("{}", status));
  const std::string_view reason = net::reason_phrase(status);
  metadata.insert_or_assign("status", fmt::format("{}{}{}", status, reason.empty() ? "" : " ", reason));
  return metadata;
}

}  // namespace tandem::components
