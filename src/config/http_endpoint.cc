#include "config/http_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/number.h"
#include "config/text.h"

namespace tandem::config {

bool HttpEndpoint::visible_to(std::string_view app_id) const {
  return scopes.empty() || std::ranges::find(scopes, app_id) != scopes.end();
}

void resolve_secrets(HttpEndpoint& endpoint, const SecretResolver& resolver, Diagnostics& diagnostics) {
  // The same references with the same rules as a component's.
  Component items;
  items.name = endpoint.name;
  items.secret_store = endpoint.secret_store;
  items.file = endpoint.file;
  items.metadata = std::move(endpoint.headers);
  const std::size_t headers = items.metadata.size();
  for (MetadataItem* item : {&endpoint.root_ca, &endpoint.certificate, &endpoint.private_key}) {
    items.metadata.push_back(std::move(*item));
  }
  resolve_secrets(items, resolver, diagnostics);
  endpoint.root_ca = std::move(items.metadata[headers]);
  endpoint.certificate = std::move(items.metadata[headers + 1]);
  endpoint.private_key = std::move(items.metadata[headers + 2]);
  items.metadata.resize(headers);
  endpoint.headers = std::move(items.metadata);
}

std::optional<BaseUrl> parse_base_url(std::string_view url) {
  BaseUrl out;
  const auto unfit = [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '#' || c == '\\'; };
  if (std::ranges::any_of(url, unfit)) return std::nullopt;
  for (const std::string_view scheme : {std::string_view("http"), std::string_view("https")}) {
    const std::string_view rest = url.substr(std::min(scheme.size(), url.size()));
    if (!url.starts_with(scheme) || !rest.starts_with("://")) continue;
    out.scheme = scheme;
    url = rest.substr(3);
    break;
  }
  if (out.scheme.empty()) return std::nullopt;
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  out.authority = url.substr(0, end);
  out.path = url.substr(end);
  if (out.authority.contains('@')) return std::nullopt;

  std::string_view port;
  if (out.authority.starts_with('[')) {
    const std::size_t bracket = out.authority.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    out.host = out.authority.substr(1, bracket - 1);
    port = out.authority.substr(bracket + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
  } else {
    const std::size_t colon = std::min(out.authority.find(':'), out.authority.size());
    out.host = out.authority.substr(0, colon);
    port = out.authority.substr(colon);
  }
  if (out.host.empty()) return std::nullopt;
  out.port = out.scheme == "https" ? 443 : 80;
  if (port.empty()) return out;
  port.remove_prefix(1);
  out.port = parse_number<std::uint16_t>(port).value_or(0);
  if (out.port == 0) return std::nullopt;
  return out;
}

}  // namespace tandem::config
