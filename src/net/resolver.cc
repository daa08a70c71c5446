#include "net/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include "net/http.h"

namespace tandem::net {
namespace {

namespace ip = boost::asio::ip;

ip::address address_of(const sockaddr* from) {
  if (from->sa_family == AF_INET) {
    ip::address_v4::bytes_type bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(from)->sin_addr, bytes.size());
    return ip::address_v4(bytes);
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
  ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
  return ip::address_v6(bytes, v6->sin6_scope_id);
}

Result<Addresses> look_up_by_system(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  if (failure == EAI_SYSTEM) return fail(Code::kUnavailable, std::system_category().message(errno));
  if (failure != 0) return fail(Code::kUnavailable, ::gai_strerror(failure));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  Addresses addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    ip::address address = address_of(one->ai_addr);
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(std::move(address));
  }
  if (addresses.empty()) return fail(Code::kUnavailable, "it has no address");
  return addresses;
}

bool is_localhost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return equals_ignoring_case(host, "localhost");
}

std::unexpected<Error> cannot_resolve(Code code, const std::string& host, const std::string& why) {
  return fail(code, "cannot resolve " + host + ": " + why);
}

}  // namespace

// What the resolver and its threads share. A thread that hangs keeps it alive, not the resolver.
class Resolver::State final : public std::enable_shared_from_this<State> {
 public:
  explicit State(ResolverOptions options) : options_(std::move(options)) {
    if (!options_.look_up) options_.look_up = look_up_by_system;
  }

  void ask(const std::string& host, std::chrono::milliseconds limit, TimedExecutor& on, Completion<Addresses> done) {
    std::uint64_t number = 0;
    bool more_threads = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ || waiting_ >= options_.max_waiting) {
        return answer(on, std::move(done), cannot_resolve(Code::kResourceExhausted, host, "too many lookups at once"));
      }
      const auto [lookup, fresh] = lookups_.try_emplace(host);
      number = ++last_number_;
      lookup->second.waiters.emplace(number, Waiter{&on, std::move(done)});
      ++waiting_;
      if (fresh) {
        queue_.push_back(host);
        more_threads = threads_ < options_.max_threads;
        if (more_threads) ++threads_;
      }
    }
    on.post_after(limit, [state = weak_from_this(), host, number, limit] {
      if (const auto alive = state.lock()) alive->expire(host, number, limit);
    });
    if (more_threads) start_thread();
  }

  void stop() {
    std::unordered_map<std::string, Lookup> dropped;
    {
      std::unique_lock lock(mutex_);
      stopped_ = true;
      dropped.swap(lookups_);
      queue_.clear();
      delivered_.wait(lock, [this] { return delivering_ == 0; });
    }
    for (auto& [host, lookup] : dropped) {
      answer_all(lookup, cannot_resolve(Code::kCancelled, host, "the process stops"));
    }
  }

 private:
  struct Waiter {
    TimedExecutor* on;
    Completion<Addresses> done;
  };
  struct Lookup {
    bool begun = false;
    std::map<std::uint64_t, Waiter> waiters;
  };

  static void answer(TimedExecutor& on, Completion<Addresses> done, Result<Addresses> result) {
    on.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  static void answer_all(Lookup& lookup, const Result<Addresses>& result) {
    for (auto& [number, waiter] : lookup.waiters) answer(*waiter.on, std::move(waiter.done), result);
  }

  void start_thread() {
    try {
      std::thread([self = shared_from_this()]() noexcept { self->run(); }).detach();
    } catch (const std::system_error& error) {
      no_thread(error.code().message());
    }
  }

  // Somebody has to look up what is in the queue.
  void no_thread(const std::string& why) {
    std::unique_lock lock(mutex_);
    if (--threads_ > 0) return;
    while (!queue_.empty()) {
      const std::string host = std::move(queue_.front());
      queue_.pop_front();
      deliver(lock, host, fail(Code::kResourceExhausted, "no thread for the lookup: " + why));
    }
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "resolver");
    std::unique_lock lock(mutex_);
    while (!queue_.empty()) {
      const std::string host = std::move(queue_.front());
      queue_.pop_front();
      lookups_.at(host).begun = true;
      lock.unlock();
      Result<Addresses> found = options_.look_up(host);
      lock.lock();
      deliver(lock, host, std::move(found));
    }
    --threads_;
  }

  // To all who wait for it still. The executors are there until stop() has seen the end of this.
  void deliver(std::unique_lock<std::mutex>& lock, const std::string& host, Result<Addresses> found) {
    auto lookup = lookups_.extract(host);
    if (lookup.empty()) return;
    waiting_ -= lookup.mapped().waiters.size();
    ++delivering_;
    lock.unlock();
    if (!found) found = cannot_resolve(found.error().code, host, found.error().message);
    answer_all(lookup.mapped(), found);
    lock.lock();
    --delivering_;
    delivered_.notify_all();
  }

  // On the executor of the one who waits.
  void expire(const std::string& host, std::uint64_t number, std::chrono::milliseconds limit) {
    Completion<Addresses> done;
    {
      const std::lock_guard lock(mutex_);
      const auto lookup = lookups_.find(host);
      if (lookup == lookups_.end()) return;
      auto waiter = lookup->second.waiters.extract(number);
      if (waiter.empty()) return;
      done = std::move(waiter.mapped().done);
      --waiting_;
      if (lookup->second.waiters.empty() && !lookup->second.begun) {
        lookups_.erase(lookup);
        std::erase(queue_, host);
      }
    }
    done(cannot_resolve(Code::kDeadlineExceeded, host, "no answer within " + std::to_string(limit.count()) + " ms"));
  }

  ResolverOptions options_;
  std::mutex mutex_;
  std::condition_variable delivered_;
  std::unordered_map<std::string, Lookup> lookups_;  // from the first who asks to the answer
  std::deque<std::string> queue_;                    // those among them that have no thread yet
  std::size_t threads_ = 0;
  std::size_t waiting_ = 0;
  std::size_t delivering_ = 0;
  std::uint64_t last_number_ = 0;
  bool stopped_ = false;
};

Resolver::Resolver(ResolverOptions options) : state_(std::make_shared<State>(std::move(options))) {}

Resolver::~Resolver() { state_->stop(); }

void Resolver::resolve(std::string_view host, std::chrono::milliseconds limit, TimedExecutor& on,
                       Completion<Addresses> done) {
  const std::string name(host);
  if (name.empty() || name.find('\0') != std::string::npos) {
    return on.post([done = std::move(done)]() mutable {
      done(fail(Code::kInvalidArgument, "cannot resolve the name of a host that is empty or has a NUL in it"));
    });
  }
  boost::system::error_code no_address;
  const ip::address address = ip::make_address(name, no_address);
  if (!no_address) return done(Addresses{address});
  if (is_localhost(host)) return done(Addresses{ip::address_v4::loopback(), ip::address_v6::loopback()});
  state_->ask(name, limit, on, std::move(done));
}

}  // namespace tandem::net
