// gRPC's codes as daprd says them to others: as a status of HTTP, and in the text that Go makes of a failed call.
//
// Plain functions, any thread, never throw. A code may be any number: apps make up their own. Source: daprd 1.18,
// HTTPStatusFromCode, and grpc-go.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace tandem {

// 500 for a code that is none of gRPC's.
int http_status_of(int code);
inline int http_status_of(Code code) { return http_status_of(static_cast<int>(code)); }

// "rpc error: code = NotFound desc = no such order"; the code is "Code(99)" where it is none of gRPC's.
std::string rpc_text(int code, std::string_view message);
inline std::string rpc_text(Code code, std::string_view message) { return rpc_text(static_cast<int>(code), message); }

}  // namespace tandem
