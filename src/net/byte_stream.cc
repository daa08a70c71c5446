#include "net/byte_stream.h"

#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <utility>
#include <vector>

#include "net/client_transport.h"
#include "net/resolver.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kWriteBytes = 1024 * 1024;

}  // namespace

std::string StreamTarget::name() const {
  const bool bare_ip6 = host.find(':') != std::string::npos;
  return (bare_ip6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// Kept alive by its pending operations; `listener_` is null once the stream is over or destroyed.
class ByteStream::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(Worker& worker, StreamTarget target, Listener& listener)
      : worker_(worker), target_(std::move(target)), listener_(&listener) {}

  void start() {
    asio::post(worker_.io(), [self = shared_from_this()] {
      if (self->listener_ != nullptr) self->resolve();
    });
  }

  void abandon() {
    listener_ = nullptr;
    close();
  }

  void write(std::string_view bytes) {
    if (listener_ == nullptr) return;
    pending_.append(bytes);
    flush_later();
  }

  std::size_t unsent() const { return pending_.size() + sending_.size(); }

  void expect_bytes_within(milliseconds limit) {
    silence_limit_ = limit;
    if (open_) watch_silence();
  }

 private:
  struct Limit final : TimeoutEntry {
    Limit(Core& core, std::string_view what) : core(core), what(what) {}
    void on_timeout() override {
      const auto alive = core.shared_from_this();
      core.fail_with(Code::kDeadlineExceeded, std::string(what) + " " + core.target_.name());
    }
    Core& core;
    const std::string_view what;
  };

  void arm(Limit& limit, milliseconds in) { worker_.timeouts().arm(limit, steady_clock::now() + in); }
  void disarm(Limit& limit) { worker_.timeouts().disarm(limit); }

  void resolve() {
    arm(connect_limit_, target_.connect_timeout);
    if (target_.host.empty()) return fail_with(Code::kInvalidArgument, "cannot connect: there is no host");
    worker_.resolver().resolve(
        target_.host, target_.connect_timeout, worker_, [core = weak_from_this()](Result<Addresses> found) {
          const auto self = core.lock();
          if (!self || self->listener_ == nullptr) return;
          if (!found) {
            return self->fail_with(found.error().code, "no connection to", found.error().message);
          }
          for (const asio::ip::address& address : *found) {
            self->addresses_.emplace_back(address, self->target_.port);
          }
          self->connect_to(0);
        });
  }

  void connect_to(std::size_t index) {
    transport_ = std::make_unique<ClientTransport>(worker_.io());
    transport_->socket.async_connect(addresses_[index], [self = shared_from_this(), index](const error_code& error) {
      if (self->listener_ == nullptr) return;
      if (!error) return self->handshake();
      if (index + 1 < self->addresses_.size()) return self->connect_to(index + 1);
      self->fail_with(Code::kUnavailable, "cannot connect to", error.message());
    });
  }

  void handshake() {
    error_code ignored;
    transport_->socket.set_option(tcp::no_delay(true), ignored);
    transport_->socket.set_option(asio::socket_base::keep_alive(true), ignored);
    if (target_.tls == nullptr) return opened();
    transport_->use_tls(target_.tls->context());
    error_code not_address;
    asio::ip::make_address(target_.host, not_address);
    if (not_address) SSL_set_tlsext_host_name(transport_->tls().native_handle(), target_.host.c_str());
    if (target_.tls->verifies()) {
      transport_->tls().set_verify_callback(asio::ssl::host_name_verification(target_.host), ignored);
    }
    transport_->tls().async_handshake(
        asio::ssl::stream_base::client, [self = shared_from_this()](const error_code& error) {
          if (self->listener_ == nullptr) return;
          if (!error) return self->opened();
          const long verdict = SSL_get_verify_result(self->transport_->tls().native_handle());
          std::string why = error.message();
          if (verdict != X509_V_OK && self->target_.tls->verifies()) {
            why = std::string("its certificate is refused: ") + X509_verify_cert_error_string(verdict);
          }
          self->fail_with(Code::kUnavailable, "no TLS connection to", why);
        });
  }

  void opened() {
    disarm(connect_limit_);
    open_ = true;
    watch_silence();
    read();
    listener_->on_open();
    if (listener_ != nullptr && !pending_.empty()) flush_later();
  }

  void read() {
    transport_->read_some(asio::buffer(read_buffer_),
                          [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                            if (self->listener_ == nullptr) return;
                            if (error) return self->broken(error);
                            self->watch_silence();
                            self->listener_->on_bytes({self->read_buffer_.data(), bytes});
                            if (self->listener_ != nullptr) self->read();
                          });
  }

  // One write for all that is written in this turn of the loop.
  void flush_later() {
    if (!open_ || flushing_) return;
    flushing_ = true;
    asio::post(worker_.io(), [self = shared_from_this()] {
      if (self->listener_ != nullptr) self->flush();
    });
  }

  void flush() {
    if (sent_ == sending_.size()) {
      sending_.clear();
      sending_.swap(pending_);
      sent_ = 0;
      if (sending_.empty()) {
        flushing_ = false;
        return;
      }
    }
    const std::size_t piece = std::min(kWriteBytes, sending_.size() - sent_);
    if (target_.write_timeout.count() > 0) arm(write_limit_, target_.write_timeout);
    transport_->write(asio::const_buffer(sending_.data() + sent_, piece),
                      [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                        if (self->listener_ == nullptr) return;
                        self->disarm(self->write_limit_);
                        if (error) return self->broken(error);
                        self->sent_ += bytes;
                        self->flush();
                      });
  }

  void watch_silence() {
    if (silence_limit_.count() > 0) {
      arm(silence_, silence_limit_);
    } else {
      disarm(silence_);
    }
  }

  void broken(const error_code& error) {
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
      return fail_with(Code::kUnavailable, target_.name() + " has closed the connection");
    }
    fail_with(Code::kUnavailable, "the connection broke to", error.message());
  }
  void fail_with(Code code, std::string_view what, std::string_view why) {
    fail_with(code, std::string(what) + " " + target_.name() + ": " + std::string(why));
  }
  void fail_with(Code code, std::string message) {
    Listener* listener = std::exchange(listener_, nullptr);
    close();
    if (listener != nullptr) listener->on_closed(make_error(code, std::move(message)));
  }

  void close() {
    disarm(connect_limit_);
    disarm(write_limit_);
    disarm(silence_);
    if (transport_) transport_->close();
  }

  Worker& worker_;
  const StreamTarget target_;
  Listener* listener_;
  Limit connect_limit_{*this, "no connection in time to"};
  Limit write_limit_{*this, "nothing can be sent in time to"};
  Limit silence_{*this, "no answer in time from"};
  milliseconds silence_limit_{0};
  std::vector<tcp::endpoint> addresses_;
  std::unique_ptr<ClientTransport> transport_;
  bool open_ = false;
  bool flushing_ = false;  // a write is under way or about to be
  std::string pending_;
  std::string sending_;
  std::size_t sent_ = 0;  // of sending_
  std::array<char, kReadBytes> read_buffer_;
};

ByteStream::ByteStream(Worker& worker, StreamTarget target, Listener& listener)
    : core_(std::make_shared<Core>(worker, std::move(target), listener)) {
  core_->start();
}
ByteStream::~ByteStream() { core_->abandon(); }

void ByteStream::write(std::string_view bytes) { core_->write(bytes); }
std::size_t ByteStream::unsent() const { return core_->unsent(); }
void ByteStream::expect_bytes_within(milliseconds limit) { core_->expect_bytes_within(limit); }

}  // namespace tandem::net
