// An app whose code is a guest: its program, its pools on every worker, and the events that reach it.
//
// Made by the server before the workers start. Everybody who has something for the app goes through it: the app's own
// port and service invocation by handler(), pub/sub by deliver(). The rest is the server's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/guest_pool.h"
#include "app/lane_choice.h"

namespace tandem::app {

// What the guest can use on one worker.
struct WorkerResources {
  net::Worker* worker = nullptr;
  PollGate* gate = nullptr;
  net::HttpClient* client = nullptr;
  net::Handler* dapr_api = nullptr;  // the Dapr API with this app's identity; null: none
  std::string dapr_api_token;        // what that API asks for; empty: nothing
};

class GuestApp final : public App {
 public:
  // All references outlive the app; one entry of `workers` for each worker, in order.
  GuestApp(GuestOptions options, std::unique_ptr<engine::Program> program, config::OutboundHosts allowed, Logger log,
           host::HostServices& services, GuestObserver& observer, std::vector<WorkerResources> workers);
  ~GuestApp() override;

  const GuestOptions& options() const { return options_; }

  // invoke::Endpoint
  net::Handler& handler(std::size_t worker) override { return *lanes_[worker]->door; }
  // pubsub::EventSink: an event becomes a POST to its route, on a worker of its own choice: perhaps inside the call,
  // when that is the caller's. Any thread.
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override;
  void deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) override;
  // bindings::InputSink: the same.
  void take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) override;

  // App
  void deliver_through(invoke::Endpoint& endpoint) override { deliveries_ = &endpoint; }
  Status warm_up() override;
  void list_subscriptions(Completion<std::vector<config::Subscription>> done) override;
  void list_bindings(std::vector<bindings::BindingService::Input> offered,
                     Completion<std::vector<std::string>> done) override;
  void probe_health(std::chrono::milliseconds timeout, Completion<void> done) override;
  void stop(SteadyTime deadline) override;

 private:
  // One worker's part.
  struct Lane {
    Lane(OutboundRoutes routes) : outbound(routes) {}
    Outbound outbound;
    std::unique_ptr<GuestPool> pool;
    net::Handler* door = nullptr;  // the pool, or the way to a worker that has one
    std::unique_ptr<net::Handler> bridge;
    net::Worker* worker = nullptr;
  };

  // Workers that have instances are the first ones. The one of this thread; none: it is no such worker.
  std::optional<std::size_t> lane_here() const;
  // For the next event: a worker that has instances.
  std::size_t choose_lane() { return choice_.choose(std::nullopt); }
  void deliver_on(std::size_t lane, pubsub::Delivery delivery, Completion<pubsub::Verdict> done);

  const GuestOptions options_;
  const std::unique_ptr<engine::Program> program_;
  const config::OutboundHosts allowed_;
  const Logger log_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  invoke::Endpoint* deliveries_ = this;
  LaneChoice choice_;
};

}  // namespace tandem::app
