#include "app/external_app.h"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "app/app_config.h"
#include "app/binding_event.h"
#include "app/countdown.h"
#include "app/delivery.h"
#include "app/health_probe.h"
#include "app/subscriptions.h"
#include "net/port_probe.h"

namespace tandem::app {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kScope = "tandem.app";
constexpr milliseconds kPortLimit{500};   // of one try to connect to the app's port
constexpr milliseconds kPortPause{100};   // between two
constexpr int kTriesBetweenLines = 100;   // of the log, while the app is waited for
constexpr std::size_t kIdlePerHost = 64;  // connections to the app, of a worker

net::ClientOptions client_options(const ExternalOptions& options) {
  net::ClientOptions client;
  client.max_head_bytes = options.max_head_bytes;
  client.max_idle_per_host = kIdlePerHost;
  return client;
}

}  // namespace

class ExternalApp::Lane final : public net::Handler {
 public:
  Lane(ExternalApp& app, net::Worker& worker)
      : app_(app), client_(worker, client_options(app.options_)), lane_{worker, client_, app.options_, {}, {}} {}

  void handle(std::unique_ptr<net::Exchange> exchange) override {
    auto call = std::make_shared<ExternalCall>(lane_, std::move(exchange));
    lane_.calls.insert(call);
    call->watch();
    if (app_.stopping_.load(std::memory_order_acquire)) return call->refuse("the app is going away");
    if (!app_.limit_) return call->send({});
    app_.limit_->take(lane_.worker, [call](Result<CallLimit::Slot> slot) {
      if (!slot) return call->refuse(slot.error().message);
      call->send(std::move(*slot));
    });
  }

  // As daprd probes: past the limit of calls, and without the token.
  void probe(milliseconds timeout, Completion<void> done) {
    net::ClientRequest request;
    request.protocol = app_.options_.protocol;
    request.verify = net::ClientVerify::kNothing;
    request.scheme = app_.options_.scheme;
    request.host = app_.options_.host;
    request.port = app_.options_.port;
    request.target = app_.options_.health_path;
    probe_over_client(lane_.worker, client_, std::move(request), timeout, std::move(done));
  }

  // Runs `idle` when no call is left, maybe at once.
  void when_idle(Task idle) {
    if (lane_.calls.empty()) return idle();
    lane_.idle = std::move(idle);
  }
  void cancel_all() {
    const auto calls = lane_.calls;
    for (const auto& call : calls) call->cancel();
  }
  net::Worker& worker() { return lane_.worker; }

 private:
  ExternalApp& app_;
  net::HttpClient client_;
  ExternalLane lane_;
};

ExternalApp::ExternalApp(ExternalOptions options, Logger log, net::Workers& workers)
    : options_(std::move(options)), log_(std::move(log)), workers_(workers) {
  if (options_.max_concurrency > 0) limit_.emplace(options_.max_concurrency, options_.max_waiting);
  for (std::size_t i = 0; i < workers.size(); ++i) lanes_.push_back(std::make_unique<Lane>(*this, workers[i]));
}

ExternalApp::~ExternalApp() = default;

net::Handler& ExternalApp::handler(std::size_t worker) { return *lanes_[worker]; }

void ExternalApp::deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  const std::size_t chosen = next_.fetch_add(1, std::memory_order_relaxed) % lanes_.size();
  workers_[chosen].post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
    deliver_to(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(delivery),
               std::move(done));
  });
}

void ExternalApp::take(bindings::AppEvent event, Completion<bindings::AppAnswer> done) {
  const std::size_t chosen = next_.fetch_add(1, std::memory_order_relaxed) % lanes_.size();
  workers_[chosen].post([this, chosen, event = std::move(event), done = std::move(done)]() mutable {
    post_event(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(event),
               std::move(done));
  });
}

void ExternalApp::deliver_bulk(pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  const std::size_t chosen = next_.fetch_add(1, std::memory_order_relaxed) % lanes_.size();
  workers_[chosen].post([this, chosen, delivery = std::move(delivery), done = std::move(done)]() mutable {
    deliver_bulk_to(deliveries_->handler(chosen), options_.app_id, options_.request_timeout, log_, std::move(delivery),
                    std::move(done));
  });
}

// On the thread that waits in warm_up().
Status ExternalApp::probe_port() {
  const auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> answer = promise->get_future();
  workers_[0].post([this, promise] {
    net::probe_port(workers_[0], options_.host, options_.port, kPortLimit,
                    [promise](Status status) { promise->set_value(std::move(status)); });
  });
  return answer.get();
}

Status ExternalApp::warm_up() {
  // daprd's words: tools wait for them.
  log_.info(kScope, fmt::format("application protocol: {}. waiting on port {}.  This will block until the app is "
                                "listening on that port.",
                                options_.scheme, options_.port));
  for (int tries = 1;; ++tries) {
    if (probe_port()) break;
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kPortPause, [&] { return stopping_.load(); })) {
      return fail(Code::kCancelled, "stopped while waiting for the app");
    }
    if (tries % kTriesBetweenLines == 0) {
      log_.info(kScope, fmt::format("waiting for application to listen on port {}", options_.port));
    }
  }
  log_.info(kScope, fmt::format("application discovered on port {}", options_.port));
  return {};
}

void ExternalApp::load_config(Completion<void> done) {
  fetch_app_config(deliveries_->handler(0), options_.app_id, options_.request_timeout,
                   [this, done = std::move(done)](Result<AppConfig> answer) mutable {
                     if (!answer) return done(fail(std::move(answer.error())));
                     log_.info(kScope, "Application configuration loaded");
                     if (!answer->entities.empty()) {
                       log_.warn(kScope, "the app hosts actors, which Tandem does not have: they are not registered",
                                 {{"entities", fmt::format("{}", fmt::join(answer->entities, ","))}});
                     }
                     done({});
                   });
}

void ExternalApp::list_subscriptions(Completion<std::vector<config::Subscription>> done) {
  fetch_subscriptions(deliveries_->handler(0), options_.app_id, options_.request_timeout, std::move(done));
}

void ExternalApp::list_bindings(std::vector<bindings::BindingService::Input> offered,
                                Completion<std::vector<std::string>> done) {
  ask_for_bindings(deliveries_->handler(0), options_.app_id, log_, std::move(offered), std::move(done));
}

void ExternalApp::probe_health(milliseconds timeout, Completion<void> done) {
  lanes_[0]->probe(timeout, std::move(done));
}

void ExternalApp::stop(SteadyTime deadline) {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
  const auto idle = std::make_shared<Countdown>(lanes_.size());
  for (const auto& lane : lanes_) {
    lane->worker().post([idle, &lane = *lane] { lane.when_idle([idle] { idle->done(); }); });
  }
  idle->wait_until(deadline);
  const auto cleared = std::make_shared<Countdown>(lanes_.size());
  for (const auto& lane : lanes_) {
    lane->worker().post([cleared, &lane = *lane] {
      lane.cancel_all();
      cleared->done();
    });
  }
  cleared->wait_until(SteadyTime::max());
}

}  // namespace tandem::app
