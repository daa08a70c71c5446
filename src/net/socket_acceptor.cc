#include "net/socket_acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <utility>

namespace tandem::net {
namespace {

constexpr int kAcceptsATurn = 16;
constexpr std::chrono::milliseconds kRetry{100};  // out of file descriptors

}  // namespace

// Shared with the wait under way. Everything happens on the worker, or with the worker stopped.
struct SocketAcceptor::Loop : std::enable_shared_from_this<Loop> {
  Loop(Worker& worker, Listeners listeners, OnSocket on_socket)
      : worker(worker), listeners(std::move(listeners)), on_socket(std::move(on_socket)) {}

  void wait(ListeningSocket& acceptor) {
    if (!acceptor.is_open()) return;
    acceptor.async_wait(boost::asio::socket_base::wait_read,
                        [self = shared_from_this(), &acceptor](const boost::system::error_code& error) {
                          if (!error) self->accept(acceptor);
                        });
  }

  void accept(ListeningSocket& acceptor) {
    for (int i = 0; i < kAcceptsATurn && acceptor.is_open(); ++i) {
      const int connected = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connected >= 0) {
        const int on = 1;
        ::setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        on_socket(connected);
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      worker.post_after(kRetry, [self = shared_from_this(), &acceptor] { self->wait(acceptor); });
      return;
    }
    wait(acceptor);
  }

  void close() {
    if (listeners.file) listeners.file->remove();
    boost::system::error_code ignored;
    for (ListeningSocket& acceptor : listeners.sockets) acceptor.close(ignored);
  }

  Worker& worker;
  Listeners listeners;
  const OnSocket on_socket;
};

Result<std::unique_ptr<SocketAcceptor>> SocketAcceptor::listen(Worker& worker, const ListenOn& place,
                                                               OnSocket on_socket) {
  auto listeners = open_listeners(worker.io(), place);
  if (!listeners) return fail(std::move(listeners.error()));
  for (ListeningSocket& acceptor : listeners->sockets) {
    boost::system::error_code error;
    acceptor.non_blocking(true, error);
    if (error) return cannot_listen(place, Code::kInternal, error.message());
  }
  const std::uint16_t port = listeners->port;
  auto loop = std::make_shared<Loop>(worker, std::move(*listeners), std::move(on_socket));
  worker.post([loop] {
    for (ListeningSocket& acceptor : loop->listeners.sockets) loop->wait(acceptor);
  });
  return std::unique_ptr<SocketAcceptor>(new SocketAcceptor(port, std::move(loop)));
}

void SocketAcceptor::close() {
  if (!loop_->worker.running()) return loop_->close();
  auto closed = std::make_shared<std::promise<void>>();
  std::future<void> done = closed->get_future();
  // A worker that stops destroys the task, and with it the promise.
  loop_->worker.post([loop = loop_, closed = std::move(closed)] {
    loop->close();
    closed->set_value();
  });
  done.wait();
}

SocketAcceptor::~SocketAcceptor() { close(); }

}  // namespace tandem::net
