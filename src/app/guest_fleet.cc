#include "app/guest_fleet.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "net/worker_bridge.h"

namespace tandem::app {
namespace {

// A worker's share of `total` things.
std::size_t share(std::size_t total, std::size_t worker, std::size_t workers) {
  return total / workers + (worker < total % workers ? 1 : 0);
}

}  // namespace

GuestFleet::GuestFleet(std::unique_ptr<engine::Program> program, const host::GuestExports& exports, const Parts& parts)
    : program_(std::move(program)), exports_(exports) {
  const bool takes_updates = exports.http || exports.configuration;
  const GuestOptions& options = parts.options;
  const std::size_t count = parts.workers.size();
  for (std::size_t i = 0; i < count; ++i) {
    const WorkerResources& resources = parts.workers[i];
    auto lane = std::make_unique<Lane>(OutboundRoutes{resources.dapr_api, resources.client, &parts.allowed,
                                                      options.dapr_http_port, resources.dapr_api_token});
    lane->worker = resources.worker;
    const std::size_t max = share(options.max_instances, i, count);
    if (max > 0) {
      GuestContext context{.program = *program_,
                           .options = options,
                           .log = parts.log,
                           .services = parts.services,
                           .worker = *resources.worker,
                           .outbound = lane->outbound,
                           .observer = parts.observer,
                           .exports = exports,
                           .updates = takes_updates ? parts.updates : nullptr};
      lane->pool = std::make_unique<GuestPool>(context, *resources.gate, share(options.min_instances, i, count), max);
      lane->door = lane->pool.get();
    } else {
      // Fewer instances than workers: this worker's requests go to one that has some.
      Lane& target = *lanes_[i % options.max_instances];
      lane->bridge = net::make_worker_bridge(*resources.worker, *target.worker, *target.pool);
      lane->door = lane->bridge.get();
    }
    lanes_.push_back(std::move(lane));
  }
  idle_ = std::make_shared<Countdown>(lanes_.size());
}

GuestFleet::~GuestFleet() = default;

Status GuestFleet::warm_up() {
  Status result;
  std::mutex mutex;
  Countdown countdown(lanes_.size());
  for (const auto& lane : lanes_) {
    lane->worker->post([&, pool = lane->pool.get()] {
      Status status = pool ? pool->warm_up() : Status{};
      if (!status) {
        const std::lock_guard lock(mutex);
        if (result) result = std::move(status);
      }
      countdown.done();
    });
  }
  countdown.wait_until(SteadyTime::max());
  return result;
}

void GuestFleet::finish(SteadyTime deadline) {
  for (const auto& lane : lanes_) {
    lane->worker->post([idle = idle_, pool = lane->pool.get()] {
      if (!pool) return idle->done();
      pool->when_idle([idle] { idle->done(); });
    });
  }
  idle_->wait_until(deadline);
  stop(std::chrono::steady_clock::now());
  // On their workers, where what they have begun may look for them.
  const auto gone = std::make_shared<Countdown>(lanes_.size());
  for (const auto& lane : lanes_) {
    lane->worker->post([gone, pool = std::move(lane->pool), bridge = std::move(lane->bridge)]() mutable {
      bridge.reset();
      pool.reset();
      gone->done();
    });
  }
  gone->wait_until(SteadyTime::max());
}

void GuestFleet::stop(SteadyTime deadline) {
  const auto idle = std::make_shared<Countdown>(lanes_.size());
  for (const auto& lane : lanes_) {
    lane->worker->post([idle, pool = lane->pool.get()] {
      if (!pool) return idle->done();
      pool->stop([idle] { idle->done(); });
    });
  }
  idle->wait_until(deadline);
  const auto cleared = std::make_shared<Countdown>(lanes_.size());
  for (const auto& lane : lanes_) {
    lane->worker->post([cleared, pool = lane->pool.get()] {
      if (pool) pool->clear();
      cleared->done();
    });
  }
  cleared->wait_until(SteadyTime::max());
}

}  // namespace tandem::app
