#include "net/fd_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "net/testing/raw_client.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class FdWatchTest : public testing::Test {
 protected:
  FdWatchTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_), 0);
    workers_.start();
    run([&] { watch_ = FdWatch::open(workers_[0], ends_[0]).value(); });
  }
  ~FdWatchTest() override {
    workers_.stop();
    watch_.reset();
    for (const int fd : ends_) ::close(fd);
  }

  void run(std::function<void()> task) {
    std::promise<void> done;
    workers_[0].post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  // Starts a wait on the worker; the future has its result.
  std::future<Status> readable(SteadyTime deadline = SteadyTime::max()) {
    auto promise = std::make_shared<std::promise<Status>>();
    run([&] { watch_->wait_readable(deadline, [promise](Status status) { promise->set_value(status); }); });
    return promise->get_future();
  }

  int ends_[2] = {-1, -1};
  Workers workers_{1};
  std::unique_ptr<FdWatch> watch_;
};

TEST_F(FdWatchTest, TellsWhenBytesAreThereHoweverOftenItIsAsked) {
  std::future<Status> first = readable();
  ASSERT_EQ(::write(ends_[1], "ab", 2), 2);
  EXPECT_TRUE(first.get());
  // The bytes were not read: the descriptor is still readable.
  EXPECT_TRUE(readable().get());
  char bytes[2];
  ASSERT_EQ(::read(ends_[0], bytes, 2), 2);
  std::future<Status> second = readable();
  ASSERT_EQ(::write(ends_[1], "c", 1), 1);
  EXPECT_TRUE(second.get());
}

TEST_F(FdWatchTest, TellsWhenThereIsRoomAndWhenThePeerIsGone) {
  auto promise = std::make_shared<std::promise<Status>>();
  run([&] { watch_->wait_writable(SteadyTime::max(), [promise](Status status) { promise->set_value(status); }); });
  EXPECT_TRUE(promise->get_future().get());
  std::future<Status> end = readable();
  ::shutdown(ends_[1], SHUT_RDWR);
  EXPECT_TRUE(end.get());
}

TEST_F(FdWatchTest, EndsAWaitAtItsDeadlineAndServesTheNext) {
  const auto start = steady_clock::now();
  const Status late = readable(start + milliseconds(150)).get();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  EXPECT_GE(steady_clock::now() - start, milliseconds(150));
  std::future<Status> next = readable(steady_clock::now() + std::chrono::seconds(60));
  ASSERT_EQ(::write(ends_[1], "a", 1), 1);
  EXPECT_TRUE(next.get());
}

TEST_F(FdWatchTest, ItsOwnerMayCloseTheDescriptorAndDropTheWait) {
  std::future<Status> waiting = readable();
  ::close(ends_[0]);
  ends_[0] = ::open("/dev/null", O_RDONLY);  // the number is used again
  run([&] { watch_.reset(); });
  EXPECT_THROW(waiting.get(), std::future_error);
  char byte = 0;
  EXPECT_EQ(::read(ends_[1], &byte, 1), 0) << "nothing holds the connection any more";
  run([&] { watch_ = FdWatch::open(workers_[0], ends_[1]).value(); });
  EXPECT_TRUE(readable().get());
}

TEST_F(FdWatchTest, SaysWhatCannotBeWatched) {
  std::string message;
  run([&] {
    const auto none = FdWatch::open(workers_[0], -1);
    if (!none) message = none.error().message;
  });
  EXPECT_EQ(message, "cannot watch a file descriptor: Bad file descriptor");
}

}  // namespace
}  // namespace tandem::net
