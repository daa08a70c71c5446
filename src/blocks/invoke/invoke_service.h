// Service invocation: finds the app behind an app id.
//
// An app is an Endpoint: a net::Handler for each worker, because an exchange never changes its worker. The door that
// took the request (api/http, a guest's outgoing HTTP, the invoke interface of WIT) rewrites the target and hands it
// over. add() is called before the workers start; resolve() from any worker. Source:
// https://docs.dapr.io/reference/api/service_invocation_api/.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace tandem::invoke {

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // The app's handler on worker number `worker`; lives as long as the endpoint.
  virtual net::Handler& handler(std::size_t worker) = 0;
};

class InvokeService final {
 public:
  // `endpoint` outlives the service. Fails when the id is taken.
  Status add(std::string app_id, Endpoint& endpoint);
  // Fails with kNotFound-like codes, reason ERR_DIRECT_INVOKE and Dapr's message when nobody has that id.
  Result<Endpoint*> resolve(std::string_view app_id) const;
  std::vector<std::string> app_ids() const;

 private:
  std::map<std::string, Endpoint*, std::less<>> endpoints_;
};

}  // namespace tandem::invoke
