#include "policy/app_gate.h"

namespace tandem::policy {
namespace {

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
  pass([this, delivery = std::move(delivery), done = std::move(done)](Status status) mutable {
    status ? sink_.deliver(std::move(delivery), std::move(done)) : done(fail(std::move(status.error())));
  });
}

void AppGate::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  pass([this, delivery = std::move(delivery), done = std::move(done)](Status status) mutable {
    status ? sink_.deliver_bulk(std::move(delivery), std::move(done)) : done(fail(std::move(status.error())));
  });
}

void AppGate::pass(Waiting event) {
  Status status;
  {
    const std::lock_guard lock(mutex_);
    if (shut_) {
      status = fail(Code::kCancelled, "the app is going away");
    } else if (!is_open()) {
      waiting_.push_back(std::move(event));
      return;
    }
  }
  event(std::move(status));
}

void AppGate::open() {
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    open_.store(true, std::memory_order_release);
    waiting.swap(waiting_);
  }
  for (Waiting& one : waiting) one({});
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
  for (Waiting& one : waiting) one(fail(Code::kCancelled, "the app is going away"));
}

}  // namespace tandem::policy
