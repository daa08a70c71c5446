// A worker: one thread with one event loop. A connection, its requests and the guest behind them stay on one worker.
//
// Workers owns them; it outlives every server, client, connection and exchange that runs on it. post() and post_after()
// may be called from any thread, everything else as it says. Nothing here fails; a task that throws ends the process.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "net/timeout_wheel.h"

namespace boost::asio {
class io_context;
}

namespace tandem::net {

class Resolver;
struct ResolverOptions;

class Worker final : public TimedExecutor {
 public:
  Worker(std::size_t index, Resolver& resolver);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() override;

  std::size_t index() const { return index_; }

  void post(Task task) override;
  void post_after(std::chrono::milliseconds delay, Task task) override;

  // True on this worker's own thread. Any thread.
  bool running_here() const override;
  // True once stop() was called. Any thread.
  bool stopped() const;
  // True between start() and stop(). Any thread.
  bool running() const;

  // The addresses of host names; one for all workers. Any thread.
  Resolver& resolver() { return resolver_; }

  // For the rest of net/ and for clients with their own sockets.
  boost::asio::io_context& io();
  // This worker's thread only.
  TimeoutWheel& timeouts();

 private:
  friend class Workers;
  struct Loop;

  void start();
  void stop();
  void join();

  const std::size_t index_;
  Resolver& resolver_;
  const std::unique_ptr<Loop> loop_;
};

// All workers of the process. Made, started and stopped by one thread.
class Workers final {
 public:
  explicit Workers(std::size_t count);
  Workers(std::size_t count, ResolverOptions resolver);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  // Stops and joins. What is still on the workers is destroyed unrun.
  ~Workers();

  void start();
  // Stops the loops after the task that each is running, and joins the threads. May be called again.
  void stop();

  std::size_t size() const { return workers_.size(); }
  Worker& operator[](std::size_t index) { return *workers_[index]; }

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
  const std::unique_ptr<Resolver> resolver_;  // answers to the workers until it is gone
};

}  // namespace tandem::net
