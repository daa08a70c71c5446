// No app at all: a sidecar that was started without an app port. Its APIs serve; whoever calls the app hears why not.
//
// See app.h for threads; nothing fails.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/app.h"

namespace tandem::app {

class NoApp final : public App {
 public:
  // App
  net::Handler& handler(std::size_t) override { return door_; }
  void deliver(pubsub::Delivery, Completion<pubsub::Verdict> done) override;
  void take(bindings::AppEvent, Completion<bindings::AppAnswer> done) override;
  void deliver_through(invoke::Endpoint&) override {}
  Status warm_up() override { return {}; }
  void list_subscriptions(Completion<std::vector<config::Subscription>> done) override;
  void list_bindings(std::vector<bindings::BindingService::Input> offered,
                     Completion<std::vector<std::string>> done) override;
  void probe_health(std::chrono::milliseconds timeout, Completion<void> done) override;
  void stop(SteadyTime) override {}

 private:
  class Door final : public net::Handler {
   public:
    void handle(std::unique_ptr<net::Exchange> exchange) override;
  };

  Door door_;
};

}  // namespace tandem::app
