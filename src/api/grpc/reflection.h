// grpc.reflection, v1 and v1alpha: what tools like grpcurl ask about the services of a server.
//
// Plain function, on the worker of the call; the stream that it begins owns itself. Descriptors are those that the
// program was compiled with. Source: grpc-go's reflection service, which daprd registers.
#pragma once

#include "api/grpc/api_options.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

// Serves a call of reflection; false: it is another one's, and `call` is as it was.
bool reflect(const ApiOptions& api, net::grpc::IncomingCall& call);

}  // namespace tandem::api::grpc
