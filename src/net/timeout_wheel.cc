#include "net/timeout_wheel.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tandem::net {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

}  // namespace

void TimeoutLink::unlink() {
  previous->next = next;
  next->previous = previous;
  previous = next = this;
}

void TimeoutLink::link_before(TimeoutLink& position) {
  previous = position.previous;
  next = &position;
  previous->next = this;
  position.previous = this;
}

TimeoutEntry::~TimeoutEntry() {
  if (wheel_ != nullptr) wheel_->remove(*this);
}

TimeoutWheel::TimeoutWheel(std::chrono::milliseconds tick, std::function<void()> wake)
    : tick_(tick), wake_(std::move(wake)), start_(std::chrono::steady_clock::now()) {}

TimeoutWheel::~TimeoutWheel() {
  for (TimeoutLink& slot : slots_) {
    while (slot.linked()) remove(static_cast<TimeoutEntry&>(*slot.next));
  }
}

std::int64_t TimeoutWheel::ticks(std::chrono::steady_clock::time_point time) const { return (time - start_) / tick_; }

void TimeoutWheel::arm(TimeoutEntry& entry, std::chrono::steady_clock::time_point deadline) {
  // An empty wheel is not turned, so its position is behind.
  if (count_ == 0) current_ = std::max(current_, ticks(std::chrono::steady_clock::now()));
  entry.deadline_ = std::max(ticks(deadline) + 1, current_ + 1);
  if (entry.wheel_ != nullptr) {
    if (entry.visit_ <= entry.deadline_) return;  // looked at in time: it moves itself on then
    remove(entry);
  }
  const bool first = count_ == 0;
  place(entry);
  if (first) wake_();
}

void TimeoutWheel::arm_within(TimeoutEntry& entry, std::chrono::milliseconds limit) {
  if (limit.count() <= 0) return disarm(entry);
  arm(entry, std::chrono::steady_clock::now() + limit);
}

void TimeoutWheel::disarm(TimeoutEntry& entry) { entry.deadline_ = kNever; }

void TimeoutWheel::place(TimeoutEntry& entry) {
  entry.visit_ = std::min(entry.deadline_, current_ + kSlots - 1);
  entry.wheel_ = this;
  entry.link_before(slots_[static_cast<std::size_t>(entry.visit_ % kSlots)]);
  ++count_;
}

void TimeoutWheel::remove(TimeoutEntry& entry) {
  entry.unlink();
  entry.wheel_ = nullptr;
  --count_;
}

void TimeoutWheel::visit(TimeoutEntry& entry) {
  remove(entry);
  if (entry.deadline_ == kNever) return;
  if (entry.deadline_ > current_) {
    place(entry);
    return;
  }
  entry.deadline_ = kNever;
  entry.on_timeout();
}

void TimeoutWheel::advance(std::chrono::steady_clock::time_point now) {
  const std::int64_t target = ticks(now);
  while (current_ < target) {
    ++current_;
    TimeoutLink& slot = slots_[static_cast<std::size_t>(current_ % kSlots)];
    // Entries that are due move to a list of their own: a callback may arm, disarm or destroy any of them.
    TimeoutLink due;
    while (slot.linked()) {
      TimeoutLink& link = *slot.next;
      link.unlink();
      link.link_before(due);
    }
    while (due.linked()) visit(static_cast<TimeoutEntry&>(*due.next));
  }
}

}  // namespace tandem::net
