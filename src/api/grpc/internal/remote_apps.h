// The apps that other sidecars hold, as one endpoint: whoever invokes an app that is not of this process gives his
// exchange here, and it goes out over Dapr's internal gRPC.
//
// Owned by the server: made before the workers start, destroyed when they have stopped but are still there; calls that
// are left then end unanswered. handler() from any worker. gRPC starts with the first call.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/grpc/internal/peer_channels.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/invoke/name_resolver.h"
#include "net/grpc/call_route.h"
#include "net/worker.h"

namespace tandem::api::grpc {

struct RemoteOptions {
  std::string name_space = "default";
  // Of this machine, for the Forwarded headers; empty: not known.
  std::string host_address;
  std::string host_name;
  // Of a message from another sidecar.
  std::size_t max_message_bytes = std::size_t{4} << 20;
  std::chrono::milliseconds retry_delay{1000};
  // Whether a caller has resiliency policies of its own for a callee: then no call is sent again here. Empty: nobody.
  // Any worker.
  std::function<bool(std::string_view caller, std::string_view callee)> has_policies;
};

class RemoteApps final : public invoke::Endpoint {
 public:
  // Both outlive it.
  RemoteApps(net::Workers& workers, invoke::NameResolver& resolver, RemoteOptions options);
  ~RemoteApps() override;

  net::Handler& handler(std::size_t worker) override;

  // For whatever else goes to other sidecars: the way to that of an app, without metadata; its `broken` gives up the
  // connection and the address. An empty namespace is the process's. Any thread; completes on that worker. Fails as the
  // resolver does; a worker that stops first destroys `done` uncalled.
  void find_route(std::string_view app_id, std::string_view name_space, std::size_t worker,
                  Completion<net::grpc::CallRoute> done);

 private:
  class Lane;

  net::Workers& workers_;
  invoke::NameResolver& resolver_;
  const std::string name_space_;
  PeerChannels channels_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // one a worker
};

}  // namespace tandem::api::grpc
