// A guest's own outgoing HTTP: answered in the process when it is for Dapr, sent out when the app may reach the host.
//
// - to its Dapr port on a loopback name, or with a `dapr-app-id` header: the Dapr API of this process (the short way);
// - to a host that the app's allowed_outbound_hosts grant: over a socket, the address checked again once it is
// resolved;
// - anywhere else: refused with wasi:http's HTTP-request-denied.
// One Outbound a worker and app; that worker's thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "config/outbound_hosts.h"
#include "engine/instance.h"
#include "net/http.h"
#include "net/http_client.h"

namespace tandem::app {

struct OutboundRoutes {
  net::Handler* dapr_api = nullptr;  // of this app and worker; null: the app has no Dapr API
  net::HttpClient* client = nullptr;
  const config::OutboundHosts* allowed = nullptr;
  std::uint16_t dapr_http_port = 0;
  // Sent along to the Dapr API when the guest sends none: who the guest is, the process knows. Empty: none is asked
  // for.
  std::string dapr_api_token;
};

class OutboundCall;

class Outbound final {
 public:
  explicit Outbound(OutboundRoutes routes) : routes_(routes) {}

  // The events of engine::InstanceEvents, with the context that the call carries on.
  void send(tdm_exchange* exchange, const tdm_request& request, const tdm_timeouts& timeouts,
            const CallContext& context);
  static void body(tdm_exchange* exchange, std::string_view piece);
  static void body_end(tdm_exchange* exchange, bool complete, engine::Fields trailers);
  static void want_body(tdm_exchange* exchange);
  static void cancel(tdm_exchange* exchange);

 private:
  bool is_dapr(const tdm_request& request, std::string_view host, std::uint16_t port) const;

  const OutboundRoutes routes_;
};

}  // namespace tandem::app
