// gRPC's statuses in the words of daprd: as it logs them, and as it answers over HTTP. Codes: blocks/rpc_status.h.
//
// Plain functions, any thread, never throw.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "base/error.h"

namespace tandem::app::grpc {

// "rpc error: code = NotFound desc = no such order"
std::string rpc_text(const ::grpc::Status& status);

// The same code, with that text as its message; a CANCELLED of the app's own is UNAVAILABLE: here it means a stop.
Error rpc_error(const ::grpc::Status& status);

// {"code":5,"message":"no such order","details":[…]}; a detail of a type that is not known here is left out.
std::string rpc_json(const ::grpc::Status& status);

}  // namespace tandem::app::grpc
