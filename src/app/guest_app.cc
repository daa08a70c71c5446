#include "app/guest_app.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/binding_event.h"
#include "app/configuration_update.h"
#include "app/countdown.h"
#include "app/delivery.h"
#include "app/health_probe.h"
#include "app/subscriptions.h"
#include "app/typed_bulk.h"
#include "blocks/late_completion.h"
#include "host/binding_calls.h"
#include "host/configuration_calls.h"
#include "host/topic_calls.h"

namespace tandem::app {

// Updates of configuration, from whoever has asked for them.
class GuestApp::Updates final : public configuration::Listener {
 public:
  explicit Updates(GuestApp& app) : app_(app) {}
  void deliver(configuration::Update update, Completion<void> done) override {
    app_.deliver_update(std::move(update), std::move(done));
  }

 private:
  GuestApp& app_;
};

GuestApp::GuestApp(GuestOptions options, std::unique_ptr<engine::Program> program, config::OutboundHosts allowed,
                   Logger log, host::HostServices& services, GuestObserver& observer,
                   std::vector<WorkerResources> workers)
    : options_(std::move(options)),
      allowed_(std::move(allowed)),
      log_(std::move(log)),
      workers_(std::move(workers)),
      updates_(std::make_shared<Updates>(*this)),
      parts_{options_, allowed_, log_, services, observer, workers_, updates_},
      fleet_(std::make_unique<GuestFleet>(std::move(program), options_.exports, parts_)),
      choice_(pools()) {
  for (std::size_t i = 0; i < workers_.size(); ++i) doors_.push_back(std::make_unique<Door>(*fleet_, i));
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
    Completion<pubsub::Verdict> told = [token = scope.token(), &ended,
                                        done = std::move(done)](Result<pubsub::Verdict> verdict) mutable {
      if (InPlaceScope::is_within(token)) ended = true;
      done(std::move(verdict));
    };
    if (doors_[lane]->exports().any_topic()) {
      call_handler(lane, std::move(delivery), std::move(told));
    } else {
      deliver_to(deliveries_->handler(lane), options_.app_id, options_.request_timeout, log_, std::move(delivery),
                 std::move(told));
    }
  }
  choice_.took(ended ? std::chrono::steady_clock::now() - began : LaneChoice::kUnfinished);
}

void GuestApp::call_handler(std::size_t lane, pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  auto call = host::make_topic_call(doors_[lane]->exports().topics, std::move(delivery), deadline(), done);
  if (!call) return done(fail(std::move(call.error())));
  doors_[lane]->call(std::move(*call));
}

void GuestApp::take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) {
  const std::size_t chosen = choice_.next();
  workers_[chosen].worker->post([this, chosen, event = std::move(event), done = std::move(done)]() mutable {
    if (doors_[chosen]->exports().bindings) {
      return doors_[chosen]->call(host::make_binding_call(std::move(event), deadline(), std::move(done)));
    }
    post_event(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(event),
               std::move(done));
  });
}

void GuestApp::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  const std::size_t chosen = choice_.next();
  workers_[chosen].worker->post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
    if (doors_[chosen]->exports().any_topic()) {
      return deliver_one_by_one(*this, std::move(delivery), std::move(done));
    }
    deliver_bulk_to(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(delivery),
                    std::move(done));
  });
}

void GuestApp::deliver_update(configuration::Update update, Completion<void> done) {
  const std::size_t chosen = choice_.next();
  workers_[chosen].worker->post([this, chosen, update = std::move(update), done = std::move(done)]() mutable {
    if (doors_[chosen]->exports().configuration) {
      return doors_[chosen]->call(host::make_update_call(std::move(update), deadline(), std::move(done)));
    }
    post_update(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, update, std::move(done));
  });
}

Status GuestApp::warm_up() { return fleet_->warm_up(); }

// The first worker has instances in any case.
void GuestApp::list_subscriptions(Completion<std::vector<config::Subscription>> done) {
  const host::GuestExports& exports = doors_[0]->exports();
  if (exports.topics == host::TopicExport::kDapr) {
    return doors_[0]->call(host::make_subscriptions_call(deadline(), std::move(done)));
  }
  if (!exports.http || exports.any_topic()) return done(std::vector<config::Subscription>());
  fetch_subscriptions(deliveries_->handler(0), options_.app_id, options_.request_timeout, std::move(done));
}

void GuestApp::list_bindings(std::vector<bindings::BindingService::Input> offered,
                             Completion<std::vector<std::string>> done) {
  if (doors_[0]->exports().bindings) {
    return doors_[0]->call(host::make_binding_names_call(
        deadline(), [this, done = std::move(done)](Result<std::vector<std::string>> names) mutable {
          if (names) return done(std::move(names));
          log_.warn("tandem.bindings", "the app could not be asked which bindings it takes events of",
                    {{"error", names.error().message}});
          done(std::vector<std::string>());
        }));
  }
  if (!doors_[0]->exports().http) return done(std::vector<std::string>());
  ask_for_bindings(deliveries_->handler(0), options_.app_id, log_, std::move(offered), std::move(done));
}

void GuestApp::list_wishes(Completion<std::vector<configuration::Wish>> done) {
  if (!doors_[0]->exports().configuration) return done(std::vector<configuration::Wish>());
  doors_[0]->call(host::make_wishes_call(deadline(), std::move(done)));
}

// A guest without HTTP has no route to ask: it is healthy while its instances can be made.
void GuestApp::probe_health(std::chrono::milliseconds timeout, Completion<void> done) {
  if (!doors_[0]->exports().http) return done({});
  probe_over_http(handler(0), options_.app_id, options_.health_path, timeout, std::move(done));
}

void GuestApp::stop(SteadyTime deadline) { fleet_->stop(deadline); }

Status GuestApp::replace(std::unique_ptr<engine::Program> program, std::chrono::milliseconds limit,
                         const host::GuestExports& exports) {
  auto next = std::make_unique<GuestFleet>(std::move(program), exports, parts_);
  if (Status warm = next->warm_up(); !warm) {
    next->finish(std::chrono::steady_clock::now());
    return warm;
  }
  std::swap(fleet_, next);
  Countdown led(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].worker->post([&, i] {
      doors_[i]->lead_to(*fleet_, i);
      led.done();
    });
  }
  led.wait_until(SteadyTime::max());
  {
    const std::lock_guard lock(leaving_mutex_);
    leaving_ = next.get();
    if (hurried_) leaving_->hurry();
  }
  next->finish(std::chrono::steady_clock::now() + limit);
  const std::lock_guard lock(leaving_mutex_);
  leaving_ = nullptr;
  return {};
}

void GuestApp::hurry() {
  const std::lock_guard lock(leaving_mutex_);
  hurried_ = true;
  if (leaving_ != nullptr) leaving_->hurry();
}

}  // namespace tandem::app
