// For tests of app/: guests of the fake engine behind a pool on real workers, and clients without sockets.
//
// A Rig belongs to the test's thread; what touches a pool runs on its worker, through on(). When it goes, nothing of
// the engine may be left: every instance deleted, every exchange released, every reply answered.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/guest_app.h"
#include "fake_engine.h"
#include "net/in_process.h"
#include "net/testing/raw_client.h"

namespace tandem::app {

// What a client of an exchange has been answered so far. Any thread.
class Seen final {
 public:
  explicit Seen(net::Worker& worker) : worker_(worker) {}

  // Waits for the end of the answer, or its failure.
  Seen& wait() {
    return wait_until([this] { return over_; });
  }
  // Waits for so much of the body, or the end.
  Seen& wait_bytes(std::size_t bytes) {
    return wait_until([this, bytes] { return over_ || body_.size() >= bytes; });
  }
  int status() const {
    return locked([this] { return status_; });
  }
  std::string body() const {
    return locked([this] { return body_; });
  }
  std::string error() const {
    return locked([this] { return error_; });
  }
  bool over() const {
    return locked([this] { return over_; });
  }
  std::string header(std::string_view name) const {
    return locked([&] {
      for (const auto& [key, value] : headers_) {
        if (key == name) return value;
      }
      return std::string();
    });
  }
  // The instance that answered.
  std::string instance() const { return header("fake-instance"); }

  // From now on a piece is held until the client takes it or leaves; held() must be true then.
  void hold() { holding_ = true; }
  void take_piece() { go_on({}); }
  void take_all() {
    holding_ = false;
    go_on({});
  }
  void leave() {
    holding_ = false;
    go_on(fail(Code::kCancelled, "the client has gone"));
  }
  bool held() const {
    return locked([this] { return waiting_; });
  }

 private:
  friend class SeenSink;
  void go_on(Status status) {
    set([this] { waiting_ = false; });
    worker_.post([this, status = std::move(status)]() mutable { std::exchange(resume_, nullptr)(std::move(status)); });
  }
  template <class Predicate>
  Seen& wait_until(Predicate predicate) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), predicate)) << "status " << status_ << body_;
    return *this;
  }
  template <class Get>
  std::invoke_result_t<Get> locked(Get get) const {
    const std::lock_guard lock(mutex_);
    return get();
  }
  template <class Set>
  void set(Set change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  net::Worker& worker_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string body_;
  std::string error_;
  bool over_ = false;
  bool waiting_ = false;
  std::atomic<bool> holding_{false};
  Completion<void> resume_;  // the worker's
};

class SeenSink final : public net::ResponseSink {
 public:
  explicit SeenSink(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}

  void on_head(int status, net::Headers headers) override {
    seen_->set([&] {
      seen_->status_ = status;
      for (const net::Header& header : headers) seen_->headers_.emplace_back(header.name, header.value);
    });
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    const bool hold = seen_->holding_;
    if (hold) seen_->resume_ = std::move(resume);
    seen_->set([&] {
      seen_->body_ += piece;
      seen_->waiting_ = hold;
    });
    if (!hold) resume({});
  }
  void on_end(net::Headers) override {
    seen_->set([this] { seen_->over_ = true; });
  }
  void on_error(Error error) override {
    seen_->set([&] {
      seen_->error_ = error.message;
      seen_->over_ = true;
    });
  }

 private:
  const std::shared_ptr<Seen> seen_;
};

struct TestRequest {
  std::string script;  // for guests of "from-header"
  std::string target = "/";
  net::OwnedHeaders headers;
  net::RequestBody body;
  CallContext context;
};

// Counts what pools tell.
class CountingObserver final : public GuestObserver {
 public:
  void call_ended(End end, std::chrono::nanoseconds) noexcept override { ++ends[static_cast<std::size_t>(end)]; }
  void instance_made() noexcept override { ++made; }
  void instance_gone() noexcept override { ++gone; }
  int count(End end) const { return ends[static_cast<std::size_t>(end)]; }

  std::array<std::atomic<int>, 5> ends{};
  std::atomic<int> made{0};
  std::atomic<int> gone{0};
};

class Rig {
 public:
  explicit Rig(std::size_t worker_count = 1, std::uint32_t slots = 100) : workers(worker_count) {
    engine::RuntimeOptions limits;
    limits.max_instances = slots;
    runtime_ = std::move(*engine::Runtime::make(limits));
    for (std::size_t i = 0; i < worker_count; ++i) gates.push_back(std::make_unique<PollGate>());
    options.app_id = "app";
    workers.start();
  }
  ~Rig() {
    // Pools end on their workers, as the server ends them.
    for (std::size_t i = 0; i < pools_.size(); ++i) {
      on([&] {
        pools_[i].pool->clear();
        pools_[i].pool.reset();
      });
    }
    workers.stop();
    pools_.clear();
    runtime_.reset();
    const fake::Counts left = fake::counts();
    EXPECT_EQ(left.instances, 0u);
    EXPECT_EQ(left.exchanges, 0u);
    EXPECT_EQ(left.replies, 0u);
    EXPECT_EQ(observer.made.load(), observer.gone.load());
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // Runs on a worker and waits for it.
  template <class Action>
  std::invoke_result_t<Action&> on(Action action, std::size_t worker = 0) {
    std::packaged_task<std::invoke_result_t<Action&>()> task(std::move(action));
    auto result = task.get_future();
    workers[worker].post([&task] { task(); });
    return result.get();
  }

  std::unique_ptr<engine::Program> program(std::string_view script) {
    auto module = engine::Module::load(*runtime_, script);
    EXPECT_TRUE(module) << module.error().message;
    auto linker = engine::Linker::make(*runtime_);
    auto made = engine::Program::make(**module, **linker, {});
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }

  // A pool on the first worker, with the options as they are now.
  GuestPool& pool(std::string_view script = "from-header", std::size_t min = 0, std::size_t max = 4,
                  OutboundRoutes routes = {}) {
    Pool& made = pools_.emplace_back();
    made.options = std::make_unique<GuestOptions>(options);
    made.program = program(script);
    made.outbound = std::make_unique<Outbound>(routes);
    made.pool = std::make_unique<GuestPool>(
        GuestContext{*made.program, *made.options, log, services, workers[0], *made.outbound, observer}, *gates[0], min,
        max);
    return *made.pool;
  }

  // What the pools have told, when the workers have done what is under way: a client hears of its answer before the
  // call is over.
  int count(GuestObserver::End end) {
    settle();
    return observer.count(end);
  }
  int made() {
    settle();
    return observer.made;
  }
  int gone() {
    settle();
    return observer.gone;
  }

  // Hands a request to `handler` on a worker.
  std::shared_ptr<Seen> send(net::Handler& handler, TestRequest request, std::size_t worker = 0) {
    auto seen = std::make_shared<Seen>(workers[worker]);
    send_to(handler, std::move(request), seen, worker);
    return seen;
  }
  std::shared_ptr<Seen> send(net::Handler& handler, std::string script, std::size_t worker = 0) {
    return send(handler, TestRequest{.script = std::move(script)}, worker);
  }
  // The client takes each piece when it is allowed to.
  std::shared_ptr<Seen> send_held(net::Handler& handler, std::string script) {
    auto seen = std::make_shared<Seen>(workers[0]);
    seen->hold();
    send_to(handler, TestRequest{.script = std::move(script)}, seen, 0);
    return seen;
  }

  net::Workers workers;
  std::vector<std::unique_ptr<PollGate>> gates;
  GuestOptions options;
  CountingObserver observer;
  Logger log{Logger::Options{.level = LogLevel::kFatal}};
  state::StateService state{""};
  pubsub::PubsubService pubsub;
  invoke::InvokeService invoke;
  bindings::BindingService bindings{bindings::BindingService::Options{}};
  secrets::SecretService secrets;
  configuration::ConfigurationService configuration;
  host::HostServices services{state, pubsub, invoke, bindings, secrets, configuration};

 private:
  struct Pool {
    std::unique_ptr<GuestOptions> options;
    std::unique_ptr<engine::Program> program;
    std::unique_ptr<Outbound> outbound;
    std::unique_ptr<GuestPool> pool;
  };

  void settle() {
    for (std::size_t i = 0; i < workers.size(); ++i) on([] {}, i);
  }
  void send_to(net::Handler& handler, TestRequest request, std::shared_ptr<Seen> seen, std::size_t worker) {
    on(
        [&] {
          net::OwnedRequest head;
          head.method = "POST";
          head.authority = "app";
          head.target = request.target;
          head.headers = std::move(request.headers);
          if (!request.script.empty()) head.headers.push_back({"script", request.script});
          handler.handle(net::make_in_process_exchange(std::move(head), std::move(request.body),
                                                       std::move(request.context), std::make_unique<SeenSink>(seen)));
        },
        worker);
  }

  std::unique_ptr<engine::Runtime> runtime_;
  std::vector<Pool> pools_;
};

}  // namespace tandem::app
