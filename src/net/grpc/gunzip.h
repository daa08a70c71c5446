// Takes gzip (RFC 1952) off, up to a limit: what is small when it comes may be gigabytes unpacked.
//
// Plain function, any thread. Fails with kResourceExhausted over the limit, having unpacked no more than that, and
// kInternal for what is not gzip.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem::net::grpc {

Result<std::string> gunzip(std::string_view bytes, std::size_t limit);

}  // namespace tandem::net::grpc
