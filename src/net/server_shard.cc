#include "net/server_shard.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "net/http_connection.h"
#include "net/server_connection.h"

namespace tandem::net {
namespace {

constexpr int kAcceptsATurn = 64;
constexpr int kLoneTurns = 4;
constexpr int kLoneAnswers = 32;
constexpr std::chrono::microseconds kGatherTime{250};
constexpr std::chrono::milliseconds kAcceptRetry{100};
const boost::asio::generic::stream_protocol kAnyFamily(AF_UNSPEC, 0);
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

// A connected socket on its way to another worker; closed if it never arrives.
class PassedSocket final {
 public:
  explicit PassedSocket(int socket) : socket_(socket) {}
  PassedSocket(PassedSocket&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  PassedSocket& operator=(PassedSocket&&) = delete;
  ~PassedSocket() {
    if (socket_ >= 0) ::close(socket_);
  }
  int take() { return std::exchange(socket_, -1); }

 private:
  int socket_;
};

}  // namespace

void ServerShared::connection_closed() {
  connections.fetch_sub(1);
  check_drained();
}

void ServerShared::check_drained() {
  if (!draining.load() || accepting.load() > 0 || connections.load() > 0) return;
  if (drained.exchange(true) || !on_drained) return;
  on_drained(cut_requests.load() ? Drained::kCut : Drained::kFinished);
}

ServerShard::ServerShard(Worker& worker, Handler& handler, std::shared_ptr<ServerShared> shared)
    : worker_(worker),
      handler_(handler),
      shared_(std::move(shared)),
      observer_(shared_->options.observer != nullptr ? shared_->options.observer : &shared_->no_observer) {}

ServerShard::~ServerShard() = default;

void ServerShard::listen_on(int listening_socket) {
  listeners_.emplace_back(worker_.io(), kAnyFamily, listening_socket);
  listeners_.back().native_non_blocking(true);
}

void ServerShard::accept() {
  for (std::size_t i = 0; i < listeners_.size(); ++i) accept_from(i);
}

void ServerShard::accept_from(std::size_t listener) {
  if (!accepting_) return;
  listeners_[listener].async_wait(boost::asio::socket_base::wait_read,
                                  [self = shared_from_this(), listener](const boost::system::error_code& error) {
                                    if (!error) self->accept_waiting(listener);
                                  });
}

void ServerShard::accept_waiting(std::size_t listener) {
  for (int i = 0; i < kAcceptsATurn && accepting_; ++i) {
    const int connected =
        ::accept4(listeners_[listener].native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connected >= 0) {
      place(connected);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    observer_->accept_failed(make_error(Code::kResourceExhausted,
                                        "cannot accept a connection for " + options().purpose + ": " +
                                            std::system_category().message(errno) + "; raise the limit of open files"));
    worker_.post_after(kAcceptRetry, [self = shared_from_this(), listener] { self->accept_from(listener); });
    return;
  }
  accept_from(listener);
}

void ServerShard::place(int connected_socket) {
  PassedSocket socket(connected_socket);
  if (shared_->connections.fetch_add(1) >= options().max_connections) {
    [[maybe_unused]] const ssize_t sent = ::send(connected_socket, kFull.data(), kFull.size(), MSG_NOSIGNAL);
    ::shutdown(connected_socket, SHUT_WR);
    shared_->connection_closed();
    return;
  }
  std::shared_ptr<ServerShard> least = shared_from_this();
  for (const std::weak_ptr<ServerShard>& other : shared_->shards) {
    std::shared_ptr<ServerShard> shard = other.lock();
    if (shard && shard->open_connections() < least->open_connections()) least = std::move(shard);
  }
  least->open_.fetch_add(1, std::memory_order_relaxed);
  if (least.get() == this) return add(socket.take());
  Worker& worker = least->worker_;
  worker.post([least = std::move(least), socket = std::move(socket)]() mutable { least->add(socket.take()); });
}

void ServerShard::add(int connected_socket) {
  ServerSocket socket(worker_.io());
  boost::system::error_code error;
  socket.assign(kAnyFamily, connected_socket, error);
  if (error || cut_) {
    if (error) ::close(connected_socket);
    open_.fetch_sub(1, std::memory_order_relaxed);
    shared_->connection_closed();
    return;
  }
  auto connection = std::make_shared<HttpConnection>(shared_from_this(), std::move(socket));
  connection->index = connections_.size();
  connections_.push_back(connection);
  observer_->connection_opened();
  connection->start();
  // It was on its way here while this worker was told to drain.
  if (draining()) connection->drain();
}

void ServerShard::replace(ServerConnection& connection, std::shared_ptr<ServerConnection> next) {
  next->index = connection.index;
  connections_[connection.index] = std::move(next);
}

void ServerShard::remove(ServerConnection& connection) {
  const std::size_t index = connection.index;
  const std::shared_ptr<ServerConnection> removed = std::move(connections_[index]);
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  open_.fetch_sub(1, std::memory_order_relaxed);
  observer_->connection_closed();
  shared_->connection_closed();
}

bool ServerShard::gathers() {
  if (at_once_ == 0) return true;
  --at_once_;
  return false;
}

void ServerShard::gather(std::shared_ptr<ServerConnection> connection) {
  if (gathered_.empty()) gathered_at_ = {};
  gathered_.push_back(std::move(connection));
  if (send_posted_) return;
  send_posted_ = true;
  boost::asio::post(worker_.io(), [self = shared_from_this()] {
    self->send_posted_ = false;
    self->lone_turns_ = self->gathered_.size() == 1 ? self->lone_turns_ + 1 : 0;
    if (self->lone_turns_ >= kLoneTurns) self->at_once_ = kLoneAnswers;
    self->send_gathered();
  });
}

void ServerShard::send_overdue(std::chrono::steady_clock::time_point now) {
  if (gathered_.empty()) return;
  if (gathered_at_ == std::chrono::steady_clock::time_point()) {
    gathered_at_ = now;
  } else if (now - gathered_at_ > kGatherTime) {
    send_gathered();
  }
}

void ServerShard::send_gathered() {
  // A write that fails closes its connection, and what that completes may gather or send again.
  const auto sending = std::exchange(gathered_, {});
  for (const auto& connection : sending) connection->send_gathered();
  for (const auto& connection : sending) connection->go_on();
}

void ServerShard::stop_accepting() {
  if (!accepting_) return;
  accepting_ = false;
  // First of all: who finds no file starts no connection that is then refused.
  if (shared_->file) shared_->file->remove();
  boost::system::error_code ignored;
  for (ListeningSocket& listener : listeners_) listener.close(ignored);
  shared_->accepting.fetch_sub(1);
}

void ServerShard::drain() {
  stop_accepting();
  // A connection that closes leaves the list.
  const std::vector<std::shared_ptr<ServerConnection>> all = connections_;
  for (const auto& connection : all) connection->drain();
  shared_->check_drained();
}

void ServerShard::cut() {
  cut_ = true;
  stop_accepting();
  while (!connections_.empty()) {
    if (connections_.back()->under_way()) shared_->cut_requests.store(true);
    connections_.back()->close();
  }
  shared_->check_drained();
}

}  // namespace tandem::net
