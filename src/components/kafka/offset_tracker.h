// How far a partition has been taken: only what stands before every message that is still in hand may be committed.
//
// A consumer group says to Kafka one number a partition, "all before this": after a crash what lies behind it comes
// again. So a message that ends early, with others before it still under way, waits. Owned by PartitionFeed; one
// thread. Nothing fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace tandem::components::kafka {

class OffsetTracker final {
 public:
  // In the order of the partition; offsets grow, not always by one.
  void begin(std::int64_t offset) { in_hand_.push_back({offset}); }
  // The app has taken it, or it is dropped.
  void taken(std::int64_t offset) { end(offset, State::kTaken); }
  // Given up: it holds nobody up, but only a later one that is taken lets it count as done.
  void passed_over(std::int64_t offset) { end(offset, State::kPassedOver); }

  // The offset to commit, when it is another than the last one that was.
  std::optional<std::int64_t> to_commit() const { return next_ > committed_ ? std::optional(next_) : std::nullopt; }
  void committed(std::int64_t offset) {
    if (offset > committed_) committed_ = offset;
  }
  std::size_t in_hand() const { return in_hand_.size(); }

 private:
  enum class State { kInHand, kTaken, kPassedOver };
  struct Entry {
    std::int64_t offset;
    State state = State::kInHand;
  };

  void end(std::int64_t offset, State state) {
    for (Entry& entry : in_hand_) {
      if (entry.offset == offset) entry.state = state;
    }
    while (!in_hand_.empty() && in_hand_.front().state != State::kInHand) {
      if (in_hand_.front().state == State::kTaken) next_ = in_hand_.front().offset + 1;
      in_hand_.pop_front();
    }
  }

  std::deque<Entry> in_hand_;
  std::int64_t next_ = -1;
  std::int64_t committed_ = -1;
};

}  // namespace tandem::components::kafka
