// A schedule of bindings.cron, and when it comes next.
//
// Fields, lists, ranges, steps, names and descriptors are those of the parser that daprd uses (robfig/cron): five
// fields or six, "@every 1h30m", "@hourly" and its like, "TZ=" or "CRON_TZ=" in front. Plain values; any thread; never
// throws. Source: https://docs.dapr.io/reference/components-reference/supported-bindings/cron/.
#pragma once

#include <absl/time/time.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace tandem::components {

class CronSchedule final {
 public:
  using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

  // Fails with kInvalidArgument and what is wrong.
  static Result<CronSchedule> parse(std::string_view text);

  // The interval of "@every"; none for a schedule by the clock.
  std::optional<std::chrono::nanoseconds> interval() const { return interval_; }

  // The first second after `time` at which the clock of the schedule's zone shows a time that fits. A time that the
  // clock skips does not come on that day, one that it shows twice comes twice. None within five years: nullopt.
  std::optional<WallTime> next_after(WallTime time) const;

 private:
  // A bit for each value; `all`: the field is a star.
  struct Field {
    std::uint64_t bits = 0;
    bool all = false;
    bool has(int value) const { return (bits >> value & 1U) != 0; }
  };
  struct Bounds;

  CronSchedule() = default;
  static Result<Field> parse_field(std::string_view text, const Bounds& bounds);
  static Result<Field> parse_range(std::string_view text, const Bounds& bounds);
  static Result<CronSchedule> parse_fields(std::string_view text, absl::TimeZone zone);
  static Result<CronSchedule> parse_descriptor(std::string_view text, absl::TimeZone zone);
  bool fits_day(const absl::CivilSecond& time) const;

  std::optional<std::chrono::nanoseconds> interval_;
  Field second_;
  Field minute_;
  Field hour_;
  Field day_;
  Field month_;
  Field weekday_;
  absl::TimeZone zone_;
};

}  // namespace tandem::components
