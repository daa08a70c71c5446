// ApiAccess: which of Dapr's APIs an app may call through one of its doors, by spec.api of its Configuration.
//
// The rules of daprd: what is denied is not there; when something is allowed, only that is. Without rules everything is
// there. A plain value, any thread.
// Source: https://docs.dapr.io/operations/configuration/api-allowlist/ and daprd 1.18.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/configuration.h"

namespace tandem::config {

class ApiAccess final {
 public:
  // Everything.
  ApiAccess() = default;
  // Of the rules those for `protocol` count, "http" or "grpc".
  explicit ApiAccess(const Configuration& configuration, std::string_view protocol = "http");

  bool restricts() const { return !allowed_.empty() || !denied_.empty(); }
  // `version` and `route` are those of Dapr's own list of endpoints: "v1.0-alpha1", "state/{storeName}/query". A rule
  // names the API ("v1alpha1", "state"), or what the endpoint begins with ("v1.0-alpha1", "state"). For gRPC both are
  // the API's already.
  bool allows(std::string_view version, std::string_view route) const;

 private:
  std::vector<std::string> allowed_;
  std::vector<std::string> denied_;
};

}  // namespace tandem::config
