// For tests: a server that answers commands as the test says, for what Debian's Redis cannot do.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "components/redis/redis_codec.h"

namespace tandem::components {

class FakeRedis final {
 public:
  using Words = std::vector<std::string>;
  // The bytes of the answer. Called on the connection's own thread, one at a time.
  using Answer = std::function<std::string(const Words&)>;

  explicit FakeRedis(Answer answer) : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }
  ~FakeRedis() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int socket : sockets_) ::close(socket);
  }
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;

  std::uint16_t port() const { return port_; }
  // All commands so far.
  std::vector<Words> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

  static std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
  }

 private:
  void accept() {
    while (true) {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      const std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket] { serve(socket); });
    }
  }
  // A command has the form of an answer: an array of strings.
  void serve(int socket) {
    RedisReader reader;
    char buffer[4096];
    while (true) {
      const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
      if (got <= 0 || !reader.feed({buffer, static_cast<std::size_t>(got)})) return;
      while (true) {
        const Result<std::optional<RedisValue>> command = reader.next();
        if (!command) return;
        if (!*command) break;
        Words words;
        for (const RedisValue& word : (*command)->items) words.push_back(word.text);
        std::string answer;
        {
          const std::lock_guard lock(mutex_);
          heard_.push_back(words);
          answer = answer_(words);
        }
        ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    }
  }

  const Answer answer_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::vector<Words> heard_;
};

}  // namespace tandem::components
