#include "net/worker.h"

#include <pthread.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>
#include <thread>
#include <utility>

#include "net/resolver.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{100};

}  // namespace

struct Worker::Loop {
  Loop() : wheel(kTick, [this] { turn_later(); }), work(asio::make_work_guard(io)), timer(io) {}

  void turn_later() {
    if (turning) return;
    turning = true;
    timer.expires_after(kTick);
    timer.async_wait([this](const boost::system::error_code& error) {
      turning = false;
      if (error) return;
      wheel.advance(steady_clock::now());
      if (!wheel.empty()) turn_later();
    });
  }

  TimeoutWheel wheel;  // before `io`: handlers that are destroyed with it still unlink from the wheel
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::steady_timer timer;
  bool turning = false;
  std::atomic<bool> started = false;
  std::atomic<bool> stopped = false;
  std::thread thread;
};

Worker::Worker(std::size_t index, Resolver& resolver)
    : index_(index), resolver_(resolver), loop_(std::make_unique<Loop>()) {}

Worker::~Worker() {
  stop();
  join();
}

void Worker::post(Task task) {
  if (stopped()) return;
  asio::post(loop_->io, [task = std::move(task)]() mutable { task(); });
}

void Worker::post_after(std::chrono::milliseconds delay, Task task) {
  if (stopped()) return;
  auto timer = std::make_unique<asio::steady_timer>(loop_->io, delay);
  asio::steady_timer& waiting = *timer;
  waiting.async_wait(
      [timer = std::move(timer), task = std::move(task)](const boost::system::error_code& error) mutable {
        if (!error) task();
      });
}

bool Worker::running_here() const { return loop_->io.get_executor().running_in_this_thread(); }

bool Worker::stopped() const { return loop_->stopped.load(std::memory_order_acquire); }

bool Worker::running() const { return loop_->started.load(std::memory_order_acquire) && !stopped(); }

asio::io_context& Worker::io() { return loop_->io; }

TimeoutWheel& Worker::timeouts() { return loop_->wheel; }

void Worker::start() {
  loop_->started.store(true, std::memory_order_release);
  loop_->thread = std::thread([this]() noexcept {
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index_)).c_str());
    loop_->io.run();
  });
}

void Worker::stop() {
  loop_->stopped.store(true, std::memory_order_release);
  loop_->io.stop();
}

void Worker::join() {
  if (loop_->thread.joinable()) loop_->thread.join();
}

Workers::Workers(std::size_t count) : Workers(count, ResolverOptions()) {}

Workers::Workers(std::size_t count, ResolverOptions resolver)
    : resolver_(std::make_unique<Resolver>(std::move(resolver))) {
  workers_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>(i, *resolver_));
}

Workers::~Workers() { stop(); }

void Workers::start() {
  for (auto& worker : workers_) worker->start();
}

void Workers::stop() {
  for (auto& worker : workers_) worker->stop();
  for (auto& worker : workers_) worker->join();
}

}  // namespace tandem::net
