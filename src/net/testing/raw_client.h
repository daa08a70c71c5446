// For tests: a client that sends exactly the bytes it is told to, on a blocking socket; and a server with one handler.
//
// Every wait ends after ten seconds with what has come so far, so that a broken test fails and does not hang.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "net/http_server.h"

namespace tandem::net {

class RawClient final {
 public:
  // `receive_buffer`: bytes of SO_RCVBUF, 0 for the system's.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  bool connected() const { return connected_; }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void close_sending() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  // Closes with a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // The bytes up to and including `end`, or all that came before the end of the connection.
  std::string read_until(std::string_view end) {
    std::size_t at;
    while ((at = buffer_.find(end)) == std::string::npos) {
      if (!receive()) return std::exchange(buffer_, {});
    }
    return take(at + end.size());
  }
  std::string read_exactly(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      if (!receive()) return std::exchange(buffer_, {});
    }
    return take(bytes);
  }
  // What comes next; empty at the end of the connection, or when nothing comes.
  std::string read_some() {
    if (buffer_.empty()) receive();
    return std::exchange(buffer_, {});
  }
  // Everything until the server closes.
  std::string read_to_end() {
    while (receive()) {
    }
    return std::exchange(buffer_, {});
  }
  // One answer with a Content-Length: its head and its body.
  std::string read_answer() {
    std::string answer = read_until("\r\n\r\n");
    const std::size_t at = answer.find("Content-Length: ");
    if (at != std::string::npos) answer += read_exactly(std::strtoul(answer.c_str() + at + 16, nullptr, 10));
    return answer;
  }
  // True when the server has closed and nothing more came.
  bool at_end() { return buffer_.empty() && !receive() && ended_; }

 private:
  bool receive() {
    char bytes[65536];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = got == 0 || errno == ECONNRESET;
      return false;
    }
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  std::string take(std::size_t bytes) {
    std::string taken = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return taken;
  }

  int socket_;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

class FunctionHandler final : public Handler {
 public:
  explicit FunctionHandler(std::function<void(std::unique_ptr<Exchange>)> function) : function_(std::move(function)) {}
  void handle(std::unique_ptr<Exchange> exchange) override { function_(std::move(exchange)); }

 private:
  std::function<void(std::unique_ptr<Exchange>)> function_;
};

class TestServer final {
 public:
  explicit TestServer(std::function<void(std::unique_ptr<Exchange>)> handler, ServerOptions options = {},
                      std::size_t worker_count = 1)
      : handler_(std::move(handler)), workers_(worker_count) {
    auto server = HttpServer::listen(workers_, std::move(options), [this](Worker&) -> Handler& { return handler_; });
    if (server) server_ = std::move(*server);
    workers_.start();
  }
  ~TestServer() {
    server_.reset();
    workers_.stop();
  }

  HttpServer& server() { return *server_; }
  std::uint16_t port() const { return server_->port(); }
  Workers& workers() { return workers_; }
  void stop_server() { server_.reset(); }

 private:
  FunctionHandler handler_;
  Workers workers_;
  std::unique_ptr<HttpServer> server_;
};

// Waits, ten seconds at most, for something that another thread does.
template <class Predicate>
bool wait_for(Predicate predicate) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace tandem::net
