// The instances of one module of an app, on every worker.
//
// Owned by the GuestApp, which may replace it by that of another module while requests are under way: finish() ends it
// then, stop() with the process. Made before the workers start or while they run, on a thread that is none of theirs,
// as everything else but the doors, which are their worker's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/countdown.h"
#include "app/guest_options.h"
#include "app/guest_pool.h"
#include "base/log.h"
#include "config/outbound_hosts.h"

namespace tandem::app {

// What the guest can use on one worker.
struct WorkerResources {
  net::Worker* worker = nullptr;
  PollGate* gate = nullptr;
  net::HttpClient* client = nullptr;
  net::Handler* dapr_api = nullptr;  // the Dapr API with this app's identity; null: none
  std::string dapr_api_token;        // what that API asks for; empty: nothing
};

class GuestFleet final {
 public:
  // What all fleets of an app share, and what outlives them.
  struct Parts {
    const GuestOptions& options;
    const config::OutboundHosts& allowed;
    const Logger& log;
    host::HostServices& services;
    GuestObserver& observer;
    const std::vector<WorkerResources>& workers;
    const std::shared_ptr<configuration::Listener>& updates;  // as GuestContext has it
  };
  GuestFleet(std::unique_ptr<engine::Program> program, const host::GuestExports& exports, const Parts& parts);
  ~GuestFleet();

  net::Handler& door(std::size_t worker) { return *lanes_[worker]->door; }
  // Null where there are no instances.
  GuestPool* pool(std::size_t worker) { return lanes_[worker]->pool.get(); }
  const host::GuestExports& exports() const { return exports_; }
  // Makes the minimum of instances. With the workers running; blocks.
  Status warm_up();
  // Nobody has its doors any more. Returns when all that was handed to it is done, or, at `deadline`, is cut off; then
  // it may be destroyed while the workers run. Blocks.
  void finish(SteadyTime deadline);
  // finish() cuts off now what is left, also one that has not begun yet. Any thread.
  void hurry() { idle_->release(); }
  // Refuses new calls and returns when those under way are done, or at `deadline`; then stops what is left. Blocks.
  void stop(SteadyTime deadline);

 private:
  // One worker's part.
  struct Lane {
    explicit Lane(OutboundRoutes routes) : outbound(routes) {}
    Outbound outbound;
    std::unique_ptr<GuestPool> pool;
    net::Handler* door = nullptr;  // the pool, or the way to a worker that has one
    std::unique_ptr<net::Handler> bridge;
    net::Worker* worker = nullptr;
  };

  const std::unique_ptr<engine::Program> program_;
  const host::GuestExports exports_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::shared_ptr<Countdown> idle_;  // of the lanes, for finish()
};

}  // namespace tandem::app
