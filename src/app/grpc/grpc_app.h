// An app that runs beside Tandem, in a process of its own, and speaks gRPC: daprd's app channel of app-protocol grpc
// and grpcs.
//
// What Dapr asks of the app are calls of AppCallback: invocations, events, what it wants of them; its health is asked
// with AppCallbackHealthCheck. Other calls of its services, and invocations that come over gRPC, take the app's route.
// See app.h for threads and failures; warm_up() waits until the app listens, for as long as that takes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "app/app.h"
#include "base/log.h"
#include "net/grpc/call_route.h"
#include "net/worker.h"

namespace tandem::app::grpc {

struct GrpcAppOptions {
  std::string app_id;
  // As app-protocol: grpc, or grpcs to whoever answers, whatever certificate it shows, as daprd has it.
  enum class Protocol { kGrpc, kGrpcs } protocol = Protocol::kGrpc;
  std::string host = "127.0.0.1";  // a name or an IP address
  std::uint16_t port = 0;
  std::string api_token;            // APP_API_TOKEN: sent as dapr-api-token with each call; empty: none
  std::size_t max_concurrency = 0;  // of OnInvoke, the others wait; 0: no limit
  // Of a message in either direction, as --max-body-size.
  std::size_t max_message_bytes = std::size_t{4} << 20;
  // daprd has no limit of its own.
  std::chrono::milliseconds request_timeout{std::chrono::hours(1)};
};

class GrpcApp final : public App {
 public:
  // The workers outlive the app.
  GrpcApp(GrpcAppOptions options, Logger log, net::Workers& workers);
  ~GrpcApp() override;

  // Lives as long as the app.
  const net::grpc::CallRoute& route() const;

  // App
  net::Handler& handler(std::size_t worker) override;
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override;
  void deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) override;
  void take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) override;
  // Events and Tandem's own questions are no exchanges here, so that they pass no handler.
  void deliver_through(invoke::Endpoint&) override {}
  Status warm_up() override;
  void list_subscriptions(Completion<std::vector<config::Subscription>> done) override;
  void list_bindings(std::vector<bindings::BindingService::Input> offered,
                     Completion<std::vector<std::string>> done) override;
  void probe_health(std::chrono::milliseconds timeout, Completion<void> done) override;
  void stop(SteadyTime deadline) override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::app::grpc
