#include "cli/stop_signals.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace tandem::cli {
namespace {

[[noreturn]] void exit_at_once(std::string_view why) {
  // Nothing to be done when it cannot be written.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, why.data(), why.size());
  ::_exit(1);
}

}  // namespace

class StopSignals::Impl final {
 public:
  Impl(int signals, int end) : signals_(signals), end_(end) {}

  ~Impl() {
    if (watcher_.joinable()) {
      const std::uint64_t one = 1;
      while (::write(end_, &one, sizeof one) < 0 && errno == EINTR) {
      }
      watcher_.join();
    }
    ::close(signals_);
    ::close(end_);
  }

  void start() {
    watcher_ = std::thread([this] { watch(); });
  }

  void expect_stop(Task next_ends) {
    std::lock_guard lock(mutex_);
    if (std::exchange(serving_, true)) return;
    next_ends_ = std::move(next_ends);
  }

  void request_stop() {
    {
      std::lock_guard lock(mutex_);
      asked_ = true;
    }
    changed_.notify_all();
  }

  void request_reload() { take_hang_up(); }

  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return asked_ || hung_up_; });
  }

  void wait(const std::function<void()>& reload) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return asked_ || hung_up_; });
      if (asked_) return;
      hung_up_ = false;
      lock.unlock();
      if (reload) reload();
      lock.lock();
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { kNone, kSignalled, kNextEnds };

  void watch() {
    std::array<pollfd, 2> watched = {{{signals_, POLLIN, 0}, {end_, POLLIN, 0}}};
    while (true) {
      if (::poll(watched.data(), watched.size(), patience()) < 0) {
        if (errno == EINTR) continue;
        exit_at_once("tandem: cannot wait for signals\n");
      }
      if (watched[1].revents != 0) return;
      signalfd_siginfo signal{};
      if (::read(signals_, &signal, sizeof signal) == sizeof signal) {
        // The kernel's own is that of a terminal that was closed.
        if (signal.ssi_signo == SIGHUP && signal.ssi_code != SI_KERNEL) {
          take_hang_up();
        } else {
          take();
        }
      }
      if (state_ == State::kSignalled && Clock::now() >= wish_ends_) {
        state_ = State::kNextEnds;
        next_ends_();
      }
    }
  }

  // For poll(): until the first signal's time is over, or for ever.
  int patience() const {
    if (state_ != State::kSignalled) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(wish_ends_ - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  }

  void take_hang_up() {
    {
      std::lock_guard lock(mutex_);
      hung_up_ = true;
    }
    changed_.notify_all();
  }

  void take() {
    if (state_ == State::kNextEnds) exit_at_once("tandem: stopped at once by a second signal\n");
    if (state_ == State::kSignalled) return;
    {
      std::lock_guard lock(mutex_);
      if (!serving_) exit_at_once("tandem: stopped before it served\n");
      asked_ = true;
    }
    state_ = State::kSignalled;
    wish_ends_ = Clock::now() + kOneWish;
    changed_.notify_all();
  }

  const int signals_;
  const int end_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool serving_ = false;
  bool asked_ = false;
  bool hung_up_ = false;
  Task next_ends_;  // set before serving_
  // The watching thread's.
  State state_ = State::kNone;
  Clock::time_point wish_ends_;
  std::thread watcher_;
};

StopSignals::StopSignals(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StopSignals::~StopSignals() = default;

Result<std::unique_ptr<StopSignals>> StopSignals::make() {
  const auto failed = [](int code) {
    return fail(Code::kInternal, fmt::format("cannot take signals: {}", std::strerror(code)));
  };
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) return failed(code);
  std::signal(SIGPIPE, SIG_IGN);
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return failed(errno);
  const int end = ::eventfd(0, EFD_CLOEXEC);
  if (end < 0) {
    const int code = errno;
    ::close(signals);
    return failed(code);
  }
  auto impl = std::make_unique<Impl>(signals, end);
  try {
    impl->start();
  } catch (const std::system_error& error) {
    return failed(error.code().value());
  }
  return std::unique_ptr<StopSignals>(new StopSignals(std::move(impl)));
}

void StopSignals::expect_stop(Task next_ends) { impl_->expect_stop(std::move(next_ends)); }
bool StopSignals::wait_for(std::chrono::milliseconds time) { return impl_->wait_for(time); }
void StopSignals::wait(const std::function<void()>& reload) { impl_->wait(reload); }
void StopSignals::request_stop() { impl_->request_stop(); }
void StopSignals::request_reload() { impl_->request_reload(); }

}  // namespace tandem::cli
