#include "net/fd_watch.h"

#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace tandem::net {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

}  // namespace

struct FdWatch::State : std::enable_shared_from_this<State> {
  // One of the two things to wait for. Asio's wait stays under way when ours has timed out, and serves the next one.
  struct Direction final : TimeoutEntry {
    void on_timeout() override {
      if (Completion<void> waiting = std::exchange(done, nullptr)) {
        waiting(fail(Code::kDeadlineExceeded, "the descriptor was not ready in time"));
      }
    }
    Completion<void> done;
    bool under_way = false;
  };

  explicit State(Worker& owner) : worker(owner), descriptor(owner.io()) {}

  void wait(Direction& direction, Descriptor::wait_type what, SteadyTime deadline, Completion<void> done) {
    worker.timeouts().disarm(direction);
    direction.done = std::move(done);
    if (deadline != SteadyTime::max()) worker.timeouts().arm(direction, deadline);
    if (direction.under_way) return;
    direction.under_way = true;
    descriptor.async_wait(what, [self = shared_from_this(), &direction](const boost::system::error_code&) {
      direction.under_way = false;
      self->worker.timeouts().disarm(direction);
      if (Completion<void> waiting = std::exchange(direction.done, nullptr)) waiting({});
    });
  }

  void close() {
    for (Direction* direction : {&readable, &writable}) {
      direction->done = nullptr;
      worker.timeouts().disarm(*direction);
    }
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  Worker& worker;
  Descriptor descriptor;
  Direction readable;
  Direction writable;
};

Result<std::unique_ptr<FdWatch>> FdWatch::open(Worker& worker, int fd) {
  const int duplicate = ::dup(fd);
  if (duplicate < 0) {
    return fail(Code::kResourceExhausted, std::string("cannot watch a file descriptor: ") + std::strerror(errno));
  }
  auto state = std::make_shared<State>(worker);
  boost::system::error_code error;
  state->descriptor.assign(duplicate, error);
  if (error) {
    ::close(duplicate);
    return fail(Code::kInvalidArgument, "cannot watch a file descriptor: " + error.message());
  }
  return std::unique_ptr<FdWatch>(new FdWatch(std::move(state)));
}

FdWatch::FdWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}

FdWatch::~FdWatch() { state_->close(); }

void FdWatch::wait_readable(SteadyTime deadline, Completion<void> done) {
  state_->wait(state_->readable, Descriptor::wait_read, deadline, std::move(done));
}

void FdWatch::wait_writable(SteadyTime deadline, Completion<void> done) {
  state_->wait(state_->writable, Descriptor::wait_write, deadline, std::move(done));
}

}  // namespace tandem::net
