#include "net/http_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "net/listening_socket.h"
#include "net/server_shard.h"

namespace tandem::net {
namespace {

// Counts tasks that were run, or destroyed because their worker stopped.
class Finished final {
 public:
  void add() {
    const std::scoped_lock lock(mutex_);
    ++pending_;
  }
  void remove() {
    const std::scoped_lock lock(mutex_);
    if (--pending_ == 0) none_.notify_all();
  }
  // False after `limit`.
  bool wait_for(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    return none_.wait_for(lock, limit, [this] { return pending_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int pending_ = 0;
};

ListenOn place_of(const ServerOptions& options) {
  return {.address = options.address,
          .more_addresses = options.more_addresses,
          .port = options.port,
          .unix_socket = options.unix_socket,
          .purpose = options.purpose,
          .hint = options.hint};
}

}  // namespace

std::chrono::milliseconds time_for_body(std::uint64_t max_body_bytes) {
  constexpr std::uint64_t kBytesASecond = 64 * 1024;
  constexpr std::uint64_t kLongest = 7ull * 24 * 60 * 60;  // also for a limit that stands for none
  return std::chrono::minutes(1) + std::chrono::seconds(std::min(max_body_bytes / kBytesASecond, kLongest));
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Workers& workers, ServerOptions options,
                                                       HandlerFactory factory) {
  Result<Listeners> listeners = open_listeners(workers[0].io(), place_of(options));
  if (!listeners) return fail(std::move(listeners.error()));

  auto shared = std::make_shared<ServerShared>();
  shared->options = std::move(options);
  shared->file = std::move(listeners->file);
  std::vector<std::shared_ptr<ServerShard>> shards;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    auto shard = std::make_shared<ServerShard>(workers[i], factory(workers[i]), shared);
    for (ListeningSocket& listener : listeners->sockets) {
      const int copy = ::fcntl(listener.native_handle(), F_DUPFD_CLOEXEC, 0);
      if (copy < 0) {
        return cannot_listen(place_of(shared->options), Code::kResourceExhausted,
                             "too many open files; raise the limit");
      }
      shard->listen_on(copy);
    }
    shards.push_back(std::move(shard));
    shared->shards.push_back(shards.back());
  }
  shared->accepting = shards.size();
  for (const auto& shard : shards) shard->worker().post([shard] { shard->accept(); });
  return std::unique_ptr<HttpServer>(new HttpServer(listeners->port, std::move(shared), std::move(shards)));
}

HttpServer::HttpServer(std::uint16_t port, std::shared_ptr<ServerShared> shared,
                       std::vector<std::shared_ptr<ServerShard>> shards)
    : port_(port), shared_(std::move(shared)), shards_(std::move(shards)) {}

HttpServer::~HttpServer() {
  const auto finished = std::make_shared<Finished>();
  for (const auto& shard : shards_) {
    if (!shard->worker().running()) continue;
    finished->add();
    auto mark = std::shared_ptr<void>(nullptr, [finished](void*) { finished->remove(); });
    shard->worker().post([shard, mark = std::move(mark)] { shard->cut(); });
  }
  const auto any_running = [this] {
    for (const auto& shard : shards_) {
      if (shard->worker().running()) return true;
    }
    return false;
  };
  while (!finished->wait_for(std::chrono::milliseconds(20)) && any_running()) {
  }
  for (const auto& shard : shards_) {
    if (!shard->worker().running()) shard->cut();
  }
}

std::size_t HttpServer::connections() const { return shared_->connections.load(); }

void HttpServer::stop_accepting() {
  for (const auto& shard : shards_) shard->worker().post([shard] { shard->stop_accepting(); });
}

void HttpServer::drain(std::chrono::milliseconds limit, std::move_only_function<void(Drained)> done) {
  if (shared_->draining.load()) return;
  shared_->on_drained = std::move(done);
  shared_->draining.store(true);
  for (const auto& shard : shards_) {
    shard->worker().post([shard] { shard->drain(); });
    shard->worker().post_after(limit, [shard] { shard->cut(); });
  }
}

}  // namespace tandem::net
