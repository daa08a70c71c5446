// For tests: a peer of HTTP/2 that says what it is told to, plain or TLS, on a thread of its own.
#pragma once

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/http2_library.h"

namespace tandem::net {

// Connection i sends the next of scripts[i] each time that it has got the head of a request.
class FramesServer final {
 public:
  using Script = std::vector<std::string>;

  explicit FramesServer(std::vector<Script> scripts, std::shared_ptr<boost::asio::ssl::context> tls = nullptr)
      : acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}), tls_(std::move(tls)) {
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      std::vector<boost::asio::ip::tcp::socket> open;
      for (const Script& script : scripts) {
        boost::system::error_code error;
        open.emplace_back(io_);
        acceptor_.accept(open.back(), error);
        if (error || stopping_) return;
        ++accepted_;
        if (tls_) {
          boost::asio::ssl::stream<boost::asio::ip::tcp::socket&> stream(open.back(), *tls_);
          stream.handshake(boost::asio::ssl::stream_base::server, error);
          if (!error) play(stream, script);
        } else {
          play(open.back(), script);
        }
      }
      while (!stopping_) std::this_thread::yield();
    });
  }
  ~FramesServer() {
    stopping_ = true;
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket wake(io);
    boost::system::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int accepted() const { return accepted_; }

 private:
  template <class Stream>
  void play(Stream& stream, const Script& script) {
    std::string input;
    bool preface = true;
    for (const std::string& frames : script) {
      boost::system::error_code error;
      while (!error && !take_head(input, preface)) {
        char bytes[4096];
        input.append(bytes, stream.read_some(boost::asio::buffer(bytes), error));
      }
      if (error) return;
      boost::asio::write(stream, boost::asio::buffer(frames), error);
    }
  }

  static bool take_head(std::string& input, bool& preface) {
    if (preface && input.size() < kHttp2Preface.size()) return false;
    if (std::exchange(preface, false)) input.erase(0, kHttp2Preface.size());
    while (input.size() >= 9) {
      const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(input[i])); };
      const std::size_t size = 9 + (at(0) << 16 | at(1) << 8 | at(2));
      if (size > input.size()) return false;
      const bool head = at(3) == NGHTTP2_HEADERS;
      input.erase(0, size);
      if (head) return true;
    }
    return false;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  const std::shared_ptr<boost::asio::ssl::context> tls_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

}  // namespace tandem::net
