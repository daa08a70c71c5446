// A server outside Dapr as the callee of an invocation: what an HTTPEndpoint resource names, and what a full URL in an
// app id's place leads to.
//
// A handler takes an exchange whose authority is the base URL (invoke::Callee), sends its request there and passes the
// answer back, both streamed with back-pressure. It fails as daprd does: 500 with ERR_DIRECT_INVOKE and the cause, or a
// cut connection when the answer had begun. Redirections come back as they are. A
// caller that leaves ends its request, within half a second or so.
//
// The server makes it before the workers start and destroys it after they have stopped; each handler runs on its
// worker.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "blocks/invoke/invoke_service.h"
#include "config/http_endpoint.h"
#include "config/outbound_hosts.h"
#include "net/http_client.h"
#include "net/tls_client.h"
#include "net/worker.h"

namespace tandem::components {

struct HttpEndpointOptions {
  std::string name;                           // for messages; empty: the base URL
  net::OwnedHeaders headers;                  // set on every request, in place of the caller's of the same names
  std::shared_ptr<const net::TlsClient> tls;  // null: no certificate of its own, the system's authorities
  // What the guest of this app may reach; asked with each call that comes from a guest. Null: a guest may call as
  // everybody else does.
  std::function<const config::OutboundHosts*(std::string_view app_id)> guest_grants;
};

class HttpEndpoint final : public invoke::Endpoint {
 public:
  HttpEndpoint(net::Workers& workers, HttpEndpointOptions options);
  ~HttpEndpoint() override;

  // Of a resource whose secrets are resolved. Fails with kInvalidArgument when its TLS texts are not PEM.
  static Result<std::unique_ptr<HttpEndpoint>> make(net::Workers& workers, const config::HttpEndpoint& resource);

  net::Handler& handler(std::size_t worker) override;

 private:
  class Lane;

  const HttpEndpointOptions options_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace tandem::components
