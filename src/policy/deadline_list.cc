#include "policy/deadline_list.h"

#include <utility>
#include <vector>

namespace tandem::policy {

std::shared_ptr<DeadlineList> DeadlineList::make(TimedExecutor& timers, std::chrono::nanoseconds time, Clock clock) {
  return std::shared_ptr<DeadlineList>(new DeadlineList(timers, time, std::move(clock)));
}

DeadlineList::DeadlineList(TimedExecutor& timers, std::chrono::nanoseconds time, Clock clock)
    : timers_(timers), time_(time), clock_(std::move(clock)) {}

DeadlineList::Place DeadlineList::add(std::weak_ptr<Waiter> waiter, std::uint32_t attempt) {
  const std::lock_guard lock(mutex_);
  const Place place = next_++;
  entries_.emplace_hint(entries_.end(), place, Entry{clock_() + time_, std::move(waiter), attempt});
  if (!std::exchange(armed_, true)) arm(time_);
  return place;
}

void DeadlineList::remove(Place place) {
  const std::lock_guard lock(mutex_);
  entries_.erase(place);
}

void DeadlineList::arm(std::chrono::nanoseconds wait) {
  timers_.post_after(std::chrono::ceil<std::chrono::milliseconds>(wait), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look();
  });
}

void DeadlineList::look() {
  std::vector<Entry> over;
  {
    const std::lock_guard lock(mutex_);
    const SteadyTime now = clock_();
    while (!entries_.empty() && entries_.begin()->second.due <= now) {
      over.push_back(std::move(entries_.begin()->second));
      entries_.erase(entries_.begin());
    }
    armed_ = !entries_.empty();
    if (armed_) arm(entries_.begin()->second.due - now);
  }
  for (const Entry& entry : over) {
    if (const auto waiter = entry.waiter.lock()) waiter->expired(entry.attempt);
  }
}

}  // namespace tandem::policy
