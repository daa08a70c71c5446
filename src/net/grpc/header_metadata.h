// HTTP headers as metadata of a gRPC call and back, by daprd's rules.
//
// Plain functions, any thread, never throw. What may not travel is left out: one connection's headers, what the
// protocol reserves, and bytes that are no text. The library ends the process for metadata that are not valid, so
// whatever comes from outside passes here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/grpc/call_route.h"
#include "net/http.h"

namespace tandem::net::grpc {

// Whether the library takes it, and it is a caller's to set.
bool is_metadata(std::string_view key, std::string_view value);

// Names in lower case, those that HTTP itself defines with "dapr-" before them, "-bin" ones decoded.
MetadataPairs metadata_of_headers(net::Headers headers);

// The name of the header that a metadatum of an answer becomes; nullopt: none.
std::optional<std::string> header_of_metadata(std::string_view key, std::string_view value);

}  // namespace tandem::net::grpc
