// An app that runs beside Tandem, in a process of its own, and speaks HTTP or HTTPS: daprd's app channel.
//
// Every call of Dapr's to the app becomes a request to its port, with the headers that daprd sends: invocations,
// events, Tandem's own questions. Redirects are passed on and not followed. One HTTP client a worker, not shared with
// others. See app.h for threads and failures; warm_up() waits until the app listens, for as long as that takes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/call_limit.h"
#include "app/external_call.h"
#include "app/external_options.h"
#include "base/log.h"
#include "net/http_client.h"

namespace tandem::app {

class ExternalApp final : public App {
 public:
  // The workers outlive the app.
  ExternalApp(ExternalOptions options, Logger log, net::Workers& workers);
  ~ExternalApp() override;

  // App
  net::Handler& handler(std::size_t worker) override;
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override;
  void deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) override;
  void take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) override;
  void deliver_through(invoke::Endpoint& endpoint) override { deliveries_ = &endpoint; }
  Status warm_up() override;
  void load_config(Completion<void> done) override;
  void list_subscriptions(Completion<std::vector<config::Subscription>> done) override;
  void list_bindings(std::vector<bindings::BindingService::Input> offered,
                     Completion<std::vector<std::string>> done) override;
  void probe_health(std::chrono::milliseconds timeout, Completion<void> done) override;
  void stop(SteadyTime deadline) override;

 private:
  class Lane;

  Status probe_port();

  const ExternalOptions options_;
  const Logger log_;
  net::Workers& workers_;
  std::optional<CallLimit> limit_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  invoke::Endpoint* deliveries_ = this;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_{false};
};

}  // namespace tandem::app
