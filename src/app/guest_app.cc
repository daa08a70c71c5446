#include "app/guest_app.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "app/binding_event.h"
#include "app/countdown.h"
#include "app/delivery.h"
#include "app/health_probe.h"
#include "app/subscriptions.h"
#include "blocks/late_completion.h"
#include "net/worker_bridge.h"

namespace tandem::app {
namespace {

// A worker's share of `total` things.
std::size_t share(std::size_t total, std::size_t worker, std::size_t workers) {
  return total / workers + (worker < total % workers ? 1 : 0);
}

}  // namespace

GuestApp::GuestApp(GuestOptions options, std::unique_ptr<engine::Program> program, config::OutboundHosts allowed,
                   Logger log, host::HostServices& services, GuestObserver& observer,
                   std::vector<WorkerResources> workers)
    : options_(std::move(options)),
      program_(std::move(program)),
      allowed_(std::move(allowed)),
      log_(std::move(log)),
      choice_(std::min(workers.size(), options_.max_instances)) {
  const std::size_t count = workers.size();
  for (std::size_t i = 0; i < count; ++i) {
    const WorkerResources& resources = workers[i];
    auto lane = std::make_unique<Lane>(OutboundRoutes{resources.dapr_api, resources.client, &allowed_,
                                                      options_.dapr_http_port, resources.dapr_api_token});
    lane->worker = resources.worker;
    const std::size_t max = share(options_.max_instances, i, count);
    if (max > 0) {
      GuestContext context{*program_, options_, log_, services, *resources.worker, lane->outbound, observer};
      lane->pool = std::make_unique<GuestPool>(context, *resources.gate, share(options_.min_instances, i, count), max);
      lane->door = lane->pool.get();
    } else {
      // Fewer instances than workers: this worker's requests go to one that has some.
      Lane& target = *lanes_[i % options_.max_instances];
      lane->bridge = net::make_worker_bridge(*resources.worker, *target.worker, *target.pool);
      lane->door = lane->bridge.get();
    }
    lanes_.push_back(std::move(lane));
  }
}

GuestApp::~GuestApp() = default;

std::optional<std::size_t> GuestApp::lane_here() const {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i]->worker->running_here()) return lanes_[i]->pool ? std::optional(i) : std::nullopt;
  }
  return std::nullopt;
}

void GuestApp::deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  const std::optional<std::size_t> here = lane_here();
  const std::size_t chosen = choice_.choose(here);
  if (chosen == here) return deliver_on(chosen, std::move(delivery), std::move(done));
  lanes_[chosen]->worker->post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
    deliver_on(chosen, std::move(delivery), std::move(done));
  });
}

void GuestApp::deliver_on(std::size_t lane, pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  const auto began = std::chrono::steady_clock::now();
  bool ended = false;
  {
    const InPlaceScope scope;
    deliver_to(deliveries_->handler(lane), options_.app_id, options_.request_timeout, log_, std::move(delivery),
               [token = scope.token(), &ended, done = std::move(done)](Result<pubsub::Verdict> verdict) mutable {
                 if (InPlaceScope::is_within(token)) ended = true;
                 done(std::move(verdict));
               });
  }
  choice_.took(ended ? std::chrono::steady_clock::now() - began : LaneChoice::kUnfinished);
}

void GuestApp::take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) {
  const std::size_t chosen = choose_lane();
  lanes_[chosen]->worker->post([this, chosen, event = std::move(event), done = std::move(done)]() mutable {
    post_event(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(event),
               std::move(done));
  });
}

void GuestApp::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  const std::size_t chosen = choose_lane();
  lanes_[chosen]->worker->post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
    deliver_bulk_to(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(delivery),
                    std::move(done));
  });
}

Status GuestApp::warm_up() {
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

void GuestApp::list_subscriptions(Completion<std::vector<config::Subscription>> done) {
  fetch_subscriptions(deliveries_->handler(0), options_.app_id, options_.request_timeout, std::move(done));
}

void GuestApp::list_bindings(std::vector<bindings::BindingService::Input> offered,
                             Completion<std::vector<std::string>> done) {
  ask_for_bindings(deliveries_->handler(0), options_.app_id, log_, std::move(offered), std::move(done));
}

void GuestApp::probe_health(std::chrono::milliseconds timeout, Completion<void> done) {
  probe_over_http(handler(0), options_.app_id, options_.health_path, timeout, std::move(done));
}

void GuestApp::stop(SteadyTime deadline) {
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
