// What a component's failed call means: gRPC's status in Go's words, and the details by which Dapr knows an ETag error.
//
// Plain functions, any thread, never throw. Source: daprd 1.18, pkg/components/state/pluggable.go.
#pragma once

#include <grpcpp/support/status.h>

#include "base/error.h"

namespace tandem::components::grpc {

// The same code, with "rpc error: code = Unavailable desc = …" as its message.
Error component_error(const ::grpc::Status& status);

// Of a write to a state store: FAILED_PRECONDITION and INVALID_ARGUMENT whose one detail is a BadRequest about the
// field "etag" are a mismatch, and an ETag that is none.
Error write_error(const ::grpc::Status& status);
// The same for a bulk delete, where INTERNAL with an ErrorInfo says how many of the expected rows there were.
Error bulk_delete_error(const ::grpc::Status& status);

}  // namespace tandem::components::grpc
