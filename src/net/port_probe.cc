#include "net/port_probe.h"

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <utility>

#include "net/resolver.h"
#include "net/timeout_wheel.h"

namespace tandem::net {
namespace {

using boost::asio::ip::tcp;

class PortProbe final : public std::enable_shared_from_this<PortProbe>, private TimeoutEntry {
 public:
  PortProbe(Worker& worker, std::string host, std::uint16_t port, Completion<void> done)
      : worker_(worker), host_(std::move(host)), port_(port), socket_(worker.io()), done_(std::move(done)) {}

  void start(std::chrono::milliseconds limit) {
    held_ = shared_from_this();
    worker_.timeouts().arm(*this, std::chrono::steady_clock::now() + limit);
    worker_.resolver().resolve(host_, limit, worker_, [self = weak_from_this()](Result<Addresses> found) {
      const auto probe = self.lock();
      if (!probe || !probe->done_) return;
      if (!found) return probe->end(fail(std::move(found.error())));
      probe->addresses_ = std::move(*found);
      probe->connect(0);
    });
  }

 private:
  void connect(std::size_t index) {
    boost::system::error_code ignored;
    socket_.close(ignored);
    socket_.async_connect(tcp::endpoint(addresses_[index], port_), [self = shared_from_this(),
                                                                    index](const boost::system::error_code& error) {
      if (!self->done_) return;
      if (!error) return self->end({});
      if (index + 1 < self->addresses_.size()) return self->connect(index + 1);
      self->end(fail(Code::kUnavailable, "cannot connect to " + self->place() + ": " + error.message()));
    });
  }

  void on_timeout() override { end(fail(Code::kDeadlineExceeded, "no connection to " + place() + " in time")); }

  void end(Status status) {
    const auto self = std::move(held_);
    worker_.timeouts().disarm(*this);
    boost::system::error_code ignored;
    socket_.close(ignored);
    std::exchange(done_, nullptr)(std::move(status));
  }

  std::string place() const { return host_ + ":" + std::to_string(port_); }

  Worker& worker_;
  const std::string host_;
  const std::uint16_t port_;
  tcp::socket socket_;
  Addresses addresses_;
  Completion<void> done_;
  std::shared_ptr<PortProbe> held_;  // until the end
};

}  // namespace

void probe_port(Worker& worker, std::string host, std::uint16_t port, std::chrono::milliseconds limit,
                Completion<void> done) {
  std::make_shared<PortProbe>(worker, std::move(host), port, std::move(done))->start(limit);
}

}  // namespace tandem::net
