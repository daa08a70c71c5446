// HttpEndpoint: a Dapr HTTPEndpoint resource (https://docs.dapr.io/reference/resource-specs/httpendpoints-schema/) as
// typed data: a server outside Dapr that apps invoke by a name, or whose URL the operator vouches for.
//
// Plain values made by resource_loader.h; whoever loads them owns them. Any thread while nobody writes. Mistakes go to
// Diagnostics; nothing throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/component.h"

namespace tandem::config {

struct HttpEndpoint {
  std::string name;
  std::string base_url;  // "https://api.example.com/v2": http or https, a host, perhaps a port and a path
  std::vector<MetadataItem> headers;
  // PEM texts of clientTLS; an item without name is not there.
  MetadataItem root_ca;
  MetadataItem certificate;
  MetadataItem private_key;
  std::vector<std::string> scopes;
  std::string secret_store;  // auth.secretStore; empty means the default store
  std::string content;       // as Component has it
  std::string file;
  int line = 0;

  bool visible_to(std::string_view app_id) const;
  Position position() const { return {file, line, 0}; }
};

// Fills in the values of secretKeyRef (through `resolver`) and envRef (this process's environment).
void resolve_secrets(HttpEndpoint& endpoint, const SecretResolver& resolver, Diagnostics& diagnostics);

// A base URL taken apart; views of the text. Nullopt when it is not http://host… or https://host….
struct BaseUrl {
  std::string_view scheme;
  std::string_view host;  // without the brackets of IPv6
  std::uint16_t port = 0;
  std::string_view authority;  // host and port as they are written
  std::string_view path;       // as it is written, with its query; may be empty
};
std::optional<BaseUrl> parse_base_url(std::string_view url);

}  // namespace tandem::config
