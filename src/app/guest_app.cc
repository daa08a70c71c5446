#include "app/guest_app.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/binding_event.h"
#include "app/countdown.h"
#include "app/delivery.h"
#include "app/health_probe.h"
#include "app/subscriptions.h"
#include "blocks/late_completion.h"

namespace tandem::app {

GuestApp::GuestApp(GuestOptions options, std::unique_ptr<engine::Program> program, config::OutboundHosts allowed,
                   Logger log, host::HostServices& services, GuestObserver& observer,
                   std::vector<WorkerResources> workers)
    : options_(std::move(options)),
      allowed_(std::move(allowed)),
      log_(std::move(log)),
      workers_(std::move(workers)),
      parts_{options_, allowed_, log_, services, observer, workers_},
      fleet_(std::make_unique<GuestFleet>(std::move(program), parts_)),
      choice_(pools()) {
  for (std::size_t i = 0; i < workers_.size(); ++i) doors_.push_back(std::make_unique<Door>(fleet_->door(i)));
}

GuestApp::~GuestApp() = default;

std::optional<std::size_t> GuestApp::lane_here() const {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].worker->running_here()) return i < pools() ? std::optional(i) : std::nullopt;
  }
  return std::nullopt;
}

void GuestApp::deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  const std::optional<std::size_t> here = choice_.stays() ? lane_here() : std::nullopt;
  if (here) return deliver_on(*here, std::move(delivery), std::move(done));
  const std::size_t chosen = choice_.next();
  workers_[chosen].worker->post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
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
  const std::size_t chosen = choice_.next();
  workers_[chosen].worker->post([this, chosen, event = std::move(event), done = std::move(done)]() mutable {
    post_event(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(event),
               std::move(done));
  });
}

void GuestApp::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  const std::size_t chosen = choice_.next();
  workers_[chosen].worker->post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
    deliver_bulk_to(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(delivery),
                    std::move(done));
  });
}

Status GuestApp::warm_up() { return fleet_->warm_up(); }

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

void GuestApp::stop(SteadyTime deadline) { fleet_->stop(deadline); }

Status GuestApp::replace(std::unique_ptr<engine::Program> program, std::chrono::milliseconds limit) {
  auto next = std::make_unique<GuestFleet>(std::move(program), parts_);
  if (Status warm = next->warm_up(); !warm) {
    next->finish(std::chrono::steady_clock::now());
    return warm;
  }
  std::swap(fleet_, next);
  Countdown led(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].worker->post([&, i] {
      doors_[i]->lead_to(fleet_->door(i));
      led.done();
    });
  }
  led.wait_until(SteadyTime::max());
  next->finish(std::chrono::steady_clock::now() + limit);
  return {};
}

}  // namespace tandem::app
