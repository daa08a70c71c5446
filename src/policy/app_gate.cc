#include "policy/app_gate.h"

#include <chrono>

namespace tandem::policy {
namespace {

constexpr std::string_view kTakenBack = "the broker has taken the event back";
constexpr std::string_view kUnhealthy = "rpc error: code = Internal desc = app is not in a healthy state";

}  // namespace

class AppGate::Door final : public net::Handler {
 public:
  Door(AppGate& gate, net::Handler& app) : gate_(gate), app_(app) {}
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    if (gate_.is_open()) return app_.handle(std::move(exchange));
    exchange->refuse(make_error(Code::kInternal, std::string(kUnhealthy)));
  }

 private:
  AppGate& gate_;
  net::Handler& app_;
};

AppGate::AppGate(invoke::Endpoint& app, pubsub::EventSink& sink, std::size_t workers, State state)
    : sink_(sink), open_(state == State::kOpen) {
  for (std::size_t i = 0; i < workers; ++i) doors_.push_back(std::make_unique<Door>(*this, app.handler(i)));
}

AppGate::~AppGate() = default;

net::Handler& AppGate::handler(std::size_t worker) { return *doors_[worker]; }

void AppGate::deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  const SteadyTime give_up_by = delivery.give_up_by;
  pass(give_up_by, [this, delivery = std::move(delivery), done = std::move(done)](Status status) mutable {
    status ? sink_.deliver(std::move(delivery), std::move(done)) : done(fail(std::move(status.error())));
  });
}

void AppGate::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  const SteadyTime give_up_by = delivery.give_up_by;
  pass(give_up_by, [this, delivery = std::move(delivery), done = std::move(done)](Status status) mutable {
    status ? sink_.deliver_bulk(std::move(delivery), std::move(done)) : done(fail(std::move(status.error())));
  });
}

void AppGate::pass(SteadyTime give_up_by, Event event) {
  Status status;
  std::vector<Waiting> late;
  bool waits = false;
  {
    const std::lock_guard lock(mutex_);
    if (shut_) {
      status = fail(Code::kCancelled, "the app is going away");
    } else if (!is_open()) {
      const SteadyTime now = std::chrono::steady_clock::now();
      std::erase_if(waiting_, [&](Waiting& one) {
        if (one.give_up_by > now) return false;
        late.push_back(std::move(one));
        return true;
      });
      waiting_.push_back({give_up_by, std::move(event)});
      waits = true;
    }
  }
  for (Waiting& one : late) one.event(fail(Code::kCancelled, std::string(kTakenBack)));
  if (!waits) event(std::move(status));
}

void AppGate::open() {
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    open_.store(true, std::memory_order_release);
    waiting.swap(waiting_);
  }
  const SteadyTime now = std::chrono::steady_clock::now();
  for (Waiting& one : waiting) {
    one.event(one.give_up_by > now ? Status() : fail(Code::kCancelled, std::string(kTakenBack)));
  }
}

void AppGate::close() {
  const std::lock_guard lock(mutex_);
  open_.store(false, std::memory_order_release);
}

void AppGate::shut() {
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    shut_ = true;
    waiting.swap(waiting_);
  }
  for (Waiting& one : waiting) one.event(fail(Code::kCancelled, "the app is going away"));
}

}  // namespace tandem::policy
