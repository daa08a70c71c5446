// Coarse time-outs for many connections: arming one is a store of a number, not a timer operation.
//
// A Worker owns one wheel and turns it every tick; an entry is owned by its connection and unlinks itself when it is
// destroyed. Everything here runs on the worker's thread. A time-out fires at its time or up to two ticks later, never
// earlier. Nothing fails.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>

namespace tandem::net {

class TimeoutWheel;

// The links of the wheel's circular lists.
struct TimeoutLink {
  TimeoutLink* previous = this;
  TimeoutLink* next = this;

  TimeoutLink() = default;
  TimeoutLink(const TimeoutLink&) = delete;
  TimeoutLink& operator=(const TimeoutLink&) = delete;
  void unlink();
  void link_before(TimeoutLink& position);
  bool linked() const { return next != this; }
};

// Something that can time out. Not copied, not moved.
class TimeoutEntry : private TimeoutLink {
 public:
  TimeoutEntry() = default;

 protected:
  ~TimeoutEntry();

 private:
  friend class TimeoutWheel;

  // The deadline has passed; the entry is disarmed and may be armed again or destroyed here.
  virtual void on_timeout() = 0;

  TimeoutWheel* wheel_ = nullptr;  // set while linked
  std::int64_t deadline_ = 0;      // in ticks
  std::int64_t visit_ = 0;         // the tick at which the wheel looks at this entry, at most `deadline_`
};

class TimeoutWheel final {
 public:
  // `wake` runs when the first entry is armed: the owner then calls advance() every tick until empty().
  TimeoutWheel(std::chrono::milliseconds tick, std::function<void()> wake);
  TimeoutWheel(const TimeoutWheel&) = delete;
  TimeoutWheel& operator=(const TimeoutWheel&) = delete;
  ~TimeoutWheel();

  // Fires `entry` at `deadline`, instead of any time it was armed for before.
  void arm(TimeoutEntry& entry, std::chrono::steady_clock::time_point deadline);
  // From now on. Zero or less: there is no limit, and it is disarmed.
  void arm_within(TimeoutEntry& entry, std::chrono::milliseconds limit);
  void disarm(TimeoutEntry& entry);

  void advance(std::chrono::steady_clock::time_point now);
  bool empty() const { return count_ == 0; }
  std::chrono::milliseconds tick() const { return tick_; }

 private:
  friend class TimeoutEntry;
  static constexpr std::int64_t kSlots = 512;

  void place(TimeoutEntry& entry);
  void remove(TimeoutEntry& entry);
  void visit(TimeoutEntry& entry);
  std::int64_t ticks(std::chrono::steady_clock::time_point time) const;

  const std::chrono::milliseconds tick_;
  const std::function<void()> wake_;
  const std::chrono::steady_clock::time_point start_;
  std::int64_t current_ = 0;  // the last tick that was visited
  std::size_t count_ = 0;     // linked entries
  std::array<TimeoutLink, kSlots> slots_;
};

}  // namespace tandem::net
