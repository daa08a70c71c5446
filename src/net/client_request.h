// What a request of the HTTP client means, whatever protocol carries it.
//
// Plain functions, any thread, never throw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace tandem::net {

// The scheme's own port where a request names none.
ClientRequest with_port(ClientRequest request);
// What is wrong with a request before it is sent, if anything: kInvalidArgument.
Status check_request(const ClientRequest& request);

// What the connections to a host are kept by.
std::string key_of(const ClientRequest& request);
// "host:port"
std::string peer_of(const ClientRequest& request);
// The Host header of a request that has none of its own.
std::string authority_of(const ClientRequest& request);

bool is_idempotent(std::string_view method);

// A header that the client sets itself, or that has no use: the body follows at once, so that nobody waits for a 100,
// and the protocol is not changed.
bool is_clients_own(std::string_view header);

// The length to announce for a body that is there; nullopt: none, as for a GET without a body, or it is streamed.
std::optional<std::uint64_t> whole_length(const ClientRequest& request);
// The length that a streamed body must have, where the request announces one; nullopt for a body that is there.
std::optional<std::uint64_t> streamed_length(const ClientRequest& request);
// Counts a piece of a streamed body, an empty one for its end, off what is `left` of its length. Fails with
// kInvalidArgument when the body is longer or shorter.
Status count_piece(const ClientRequest& request, std::size_t bytes, std::optional<std::uint64_t>& left);

}  // namespace tandem::net
