// Which of Dapr's gRPC methods a Configuration's spec.api names, by daprd's names for them.
//
// Plain functions, any thread, never throw. Source: https://docs.dapr.io/operations/configuration/api-allowlist/.
#pragma once

#include <string>
#include <string_view>

#include "config/api_access.h"

namespace tandem::api::grpc {

// "state" and "v1alpha1" for ".../QueryStateAlpha1". Empty: rules do not name it.
struct ApiName {
  std::string_view name;
  std::string version;
};
ApiName api_of(std::string_view method);

// Whether the rules leave a method there, "/package.Service/Method". Methods of other services always are.
bool is_allowed(const config::ApiAccess& access, std::string_view method);

}  // namespace tandem::api::grpc
