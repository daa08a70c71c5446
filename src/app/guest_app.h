// An app whose code is a guest: its instances on every worker, and the events that reach it.
//
// Made by the server before the workers start. Everybody who has something for the app goes through it: the app's own
// port and service invocation by handler(), pub/sub by deliver(). The rest is the server's.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "app/app.h"
#include "app/guest_fleet.h"
#include "app/lane_choice.h"

namespace tandem::app {

class GuestApp final : public App {
 public:
  // All references outlive the app; one entry of `workers` for each worker, in order.
  GuestApp(GuestOptions options, std::unique_ptr<engine::Program> program, config::OutboundHosts allowed, Logger log,
           host::HostServices& services, GuestObserver& observer, std::vector<WorkerResources> workers);
  ~GuestApp() override;

  const GuestOptions& options() const { return options_; }

  // invoke::Endpoint
  net::Handler& handler(std::size_t worker) override { return *doors_[worker]; }
  // pubsub::EventSink, on a worker of its own choice: perhaps inside the call, when that is the caller's. Any thread.
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
  void list_wishes(Completion<std::vector<configuration::Wish>> done) override;
  std::shared_ptr<configuration::Listener> configuration_listener() override { return updates_; }
  void probe_health(std::chrono::milliseconds timeout, Completion<void> done) override;
  void stop(SteadyTime deadline) override;

  // Another module takes the place of the one that runs: its minimum of instances is made, then it gets every new call,
  // and the one before ends when its calls are done, or when `limit` has passed. Fails, and nothing changes, when no
  // instance can be made. With the workers running, between warm_up() and stop(); blocks.
  Status replace(std::unique_ptr<engine::Program> program, std::chrono::milliseconds limit,
                 const host::GuestExports& exports = {});
  // The process stops: replace() does not wait for calls any longer. Any thread.
  void hurry();

 private:
  // A worker's way to the instances; that worker's thread only.
  class Door final : public net::Handler {
   public:
    Door(GuestFleet& fleet, std::size_t worker) { lead_to(fleet, worker); }
    void lead_to(GuestFleet& fleet, std::size_t worker) {
      behind_ = &fleet.door(worker);
      pool_ = fleet.pool(worker);
      exports_ = fleet.exports();
    }
    void handle(std::unique_ptr<net::Exchange> exchange) override { behind_->handle(std::move(exchange)); }
    // A call of another export; only where there are instances.
    void call(std::unique_ptr<host::GuestCall> event) { pool_->call(std::move(event)); }
    const host::GuestExports& exports() const { return exports_; }

   private:
    net::Handler* behind_ = nullptr;
    GuestPool* pool_ = nullptr;
    host::GuestExports exports_;
  };

  class Updates;

  // How many workers have instances.
  std::size_t pools() const { return std::min(workers_.size(), options_.max_instances); }
  // Workers that have instances are the first ones. The one of this thread; none: it is no such worker.
  std::optional<std::size_t> lane_here() const;
  void deliver_on(std::size_t lane, pubsub::Delivery delivery, Completion<pubsub::Verdict> done);
  void call_handler(std::size_t lane, pubsub::Delivery delivery, Completion<pubsub::Verdict> done);
  void deliver_update(configuration::Update update, Completion<void> done);
  SteadyTime deadline() const { return std::chrono::steady_clock::now() + options_.request_timeout; }

  const GuestOptions options_;
  const config::OutboundHosts allowed_;
  const Logger log_;
  const std::vector<WorkerResources> workers_;
  const std::shared_ptr<configuration::Listener> updates_;
  const GuestFleet::Parts parts_;
  std::unique_ptr<GuestFleet> fleet_;
  std::mutex leaving_mutex_;  // of the next two
  GuestFleet* leaving_ = nullptr;
  bool hurried_ = false;
  std::vector<std::unique_ptr<Door>> doors_;
  invoke::Endpoint* deliveries_ = this;
  LaneChoice choice_;
};

}  // namespace tandem::app
