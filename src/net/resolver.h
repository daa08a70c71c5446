// Resolver: the addresses of host names, for all clients of the process.
//
// The system's lookup blocks, for as long as the name service pleases. So it runs on threads of the resolver's own, one
// name a thread, started when they are needed: a name that hangs holds nobody but those who ask for it. Whoever asks
// for a name that is being looked up waits for the same lookup. IP addresses and "localhost" need no lookup.
//
// The Workers own one, Worker::resolver(); any thread may ask. Destruction does not wait for a lookup that hangs: its
// thread is left to itself and touches nothing any more. Whoever still waits then hears kCancelled, where his executor
// still runs.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/completion.h"
#include "base/executor.h"
#include "base/result.h"

namespace tandem::net {

using Addresses = std::vector<boost::asio::ip::address>;

struct ResolverOptions {
  std::size_t max_threads = 32;
  std::size_t max_waiting = 10'000;  // completions that wait for a lookup; over it: kResourceExhausted
  // May block. Called on the resolver's threads, also at the time of its destruction. Empty: the system's lookup.
  std::function<Result<Addresses>(const std::string& host)> look_up;
};

class Resolver final {
 public:
  explicit Resolver(ResolverOptions options = {});
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Before the executors that were given to resolve() are destroyed.
  ~Resolver();

  // Completes once, on `on`, inside this call when no lookup is needed. At least one address, without repetitions, in
  // the system's order of preference. Fails with kUnavailable and the system's reason, kDeadlineExceeded after `limit`,
  // kInvalidArgument for what cannot be a name.
  void resolve(std::string_view host, std::chrono::milliseconds limit, TimedExecutor& on, Completion<Addresses> done);

 private:
  class State;
  const std::shared_ptr<State> state_;
};

}  // namespace tandem::net
