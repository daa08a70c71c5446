#include "components/bindings/cron/cron_binding.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

namespace tandem::components {
namespace {

using std::chrono::milliseconds;
using WallTime = CronSchedule::WallTime;

constexpr std::string_view kScope = "tandem.bindings.cron";
constexpr milliseconds kLook{30'000};  // between two looks at the machine's clock

WallTime wall_now() { return std::chrono::system_clock::now(); }

// As Go prints a time: "2026-11-29 05:12:12.00054271 +0000 UTC".
std::string go_time(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
  std::string fraction = fmt::format(".{:09}", (time - seconds).count());
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (fraction != ".") text += fraction;
  return text + " +0000 UTC";
}

}  // namespace

// One reading's clock. Its tasks hold it weakly, so that it ends with the reading.
class CronBinding::Ticker final : public std::enable_shared_from_this<Ticker> {
 public:
  Ticker(std::string name, CronSchedule schedule, TimedExecutor& timers, bindings::EventHandler handler,
         std::optional<Logger> log)
      : name_(std::move(name)),
        schedule_(std::move(schedule)),
        timers_(timers),
        handler_(std::move(handler)),
        log_(std::move(log)) {}

  void start() {
    set_next();
    if (!schedule_.interval() && !due_ && log_) {
      log_->warn(kScope, "the schedule names no time of the next five years", {{"binding", name_}});
    }
    arm();
  }
  void stop() { stopped_.store(true, std::memory_order_release); }

 private:
  using Clock = std::chrono::steady_clock;

  void set_next() {
    if (const auto interval = schedule_.interval()) {
      // An interval that is over before it can be waited for does not make events pile up.
      interval_end_ = Clock::now() + std::max<Clock::duration>(*interval, milliseconds(1));
    } else {
      due_ = schedule_.next_after(wall_now());
    }
  }

  // Zero or less: now.
  std::optional<std::chrono::nanoseconds> left() const {
    if (schedule_.interval()) return interval_end_ - Clock::now();
    if (!due_) return std::nullopt;
    return *due_ - wall_now();
  }

  void arm() {
    const auto wait = left();
    if (!wait) return;
    const auto limit = schedule_.interval() ? milliseconds::max() : kLook;
    const auto delay = std::clamp(std::chrono::ceil<milliseconds>(*wait), milliseconds(1), limit);
    timers_.post_after(delay, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wake();
    });
  }

  void wake() {
    if (stopped_.load(std::memory_order_acquire)) return;
    if (left()->count() <= 0) {
      fire();
      set_next();
    }
    arm();
  }

  void fire() {
    if (under_way_.load(std::memory_order_relaxed) >= kMaxUnderWay) {
      if (!std::exchange(left_out_, true) && log_) {
        log_->warn(kScope, "events are left out: the app is still at too many earlier ones", {{"binding", name_}});
      }
      return;
    }
    left_out_ = false;
    under_way_.fetch_add(1, std::memory_order_relaxed);
    // The zone's name as Go has it, whatever the machine's zone is.
    bindings::Event event{.data = {}, .metadata = {{"readTimeUTC", go_time(wall_now())}, {"timeZone", "Local"}}};
    handler_(std::move(event), [self = shared_from_this()](const Result<std::string>&) {
      self->under_way_.fetch_sub(1, std::memory_order_relaxed);
    });
  }

  const std::string name_;
  const CronSchedule schedule_;
  TimedExecutor& timers_;
  const bindings::EventHandler handler_;
  const std::optional<Logger> log_;
  // The executor's, but for start().
  std::optional<WallTime> due_;
  Clock::time_point interval_end_;
  bool left_out_ = false;
  std::atomic<int> under_way_ = 0;
  std::atomic<bool> stopped_ = false;
};

class CronBinding::Handle final : public Reading {
 public:
  explicit Handle(std::shared_ptr<Ticker> ticker) : ticker_(std::move(ticker)) {}
  ~Handle() override { ticker_->stop(); }

 private:
  const std::shared_ptr<Ticker> ticker_;
};

Result<std::unique_ptr<CronBinding>> CronBinding::make(std::string name, std::string_view text, TimedExecutor& timers,
                                                       const Logger* log) {
  Result<CronSchedule> schedule = CronSchedule::parse(text);
  if (!schedule) {
    return fail(Code::kInvalidArgument,
                fmt::format("schedule: invalid schedule format '{}': {}", text, schedule.error().message));
  }
  return std::unique_ptr<CronBinding>(new CronBinding(std::move(name), std::move(*schedule), timers, log));
}

CronBinding::CronBinding(std::string name, CronSchedule schedule, TimedExecutor& timers, const Logger* log)
    : name_(std::move(name)), schedule_(std::move(schedule)), timers_(timers), log_(log) {}

Result<std::unique_ptr<bindings::InputBinding::Reading>> CronBinding::read(std::string app_id,
                                                                           bindings::EventHandler handler) {
  std::optional<Logger> log;
  if (log_ != nullptr) log = log_->for_app(app_id);
  auto ticker = std::make_shared<Ticker>(name_, schedule_, timers_, std::move(handler), std::move(log));
  // Where its tasks run, so that nothing of it is used on two threads.
  timers_.post([ticker] { ticker->start(); });
  return std::make_unique<Handle>(std::move(ticker));
}

}  // namespace tandem::components
