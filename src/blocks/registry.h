// Registry: the components of a block by name, which may be replaced and removed while operations use them.
//
// A block's service owns one. Reading takes no lock: find() and all() are any thread's and cost one load and one count
// on a cache line that the thread shares with few others. What they return holds on to what was there then, until it is
// destroyed, on whatever thread; an operation that completes later takes it along in its completion, so that it ends
// on the component that it began on. Writing is one thread's at a time, under a lock that readers do not see.
//
// What is replaced or removed is not destroyed: sweep() hands it out once no operation can have it any more, to be
// closed on a thread that may wait. How that is known (the counting of SRCU in the Linux kernel): an operation counts
// on one of two sides, which the writer swaps; those that began before a change have all ended once each side's counts
// were seen at zero after it. Nothing here fails.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

// One reader's count, for as long as it is held. May be moved to another thread.
class ReadHold final {
 public:
  using Count = std::atomic<std::uint64_t>;

  ReadHold() = default;
  // Before the read that it protects.
  explicit ReadHold(Count& count) : count_(&count) { count.fetch_add(1, std::memory_order_seq_cst); }
  ReadHold(ReadHold&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  ReadHold& operator=(ReadHold&& other) noexcept {
    std::swap(count_, other.count_);
    return *this;
  }
  ~ReadHold() {
    if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_release);
  }

 private:
  Count* count_ = nullptr;
};

// Who reads, on two sides. enter() is any thread's, the rest the writer's.
class ReadSides final {
 public:
  static constexpr std::size_t kSides = 2;

  ReadHold enter() const { return ReadHold(stripes_[stripe()].counts[side_.load(std::memory_order_relaxed)]); }
  std::size_t current() const { return side_.load(std::memory_order_relaxed); }
  void swap() { side_.store(1 - current(), std::memory_order_seq_cst); }
  // Whether each count of the side is zero at some time during this call.
  bool is_clear(std::size_t side) const {
    for (const Stripe& stripe : stripes_) {
      if (stripe.counts[side].load(std::memory_order_seq_cst) != 0) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kStripes = 16;
  struct alignas(64) Stripe {
    mutable std::array<ReadHold::Count, kSides> counts{};
  };

  // The threads take turns.
  static std::size_t stripe() {
    static std::atomic<std::size_t> next = 0;
    thread_local const std::size_t own = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
    return own;
  }

  std::array<Stripe, kStripes> stripes_{};
  std::atomic<std::size_t> side_ = 0;
};

template <class Entry>
class Registry final {
 public:
  using Shared = std::shared_ptr<const Entry>;
  using Map = std::map<std::string, Shared, std::less<>>;

  // One entry, or none.
  class Pin final {
   public:
    Pin() = default;
    explicit operator bool() const { return entry_ != nullptr; }
    const Entry& operator*() const { return *entry_; }
    const Entry* operator->() const { return entry_; }

   private:
    friend Registry;
    Pin(const Entry* entry, ReadHold hold) : entry_(entry), hold_(std::move(hold)) {}
    const Entry* entry_ = nullptr;
    ReadHold hold_;
  };

  // All entries as they are at one moment, by name. begin() and end() are of a map to Shared, which is not to be kept.
  class All final {
   public:
    auto begin() const { return map_->begin(); }
    auto end() const { return map_->end(); }

   private:
    friend Registry;
    All(ReadHold hold, const Map* map) : hold_(std::move(hold)), map_(map) {}
    ReadHold hold_;
    const Map* map_;
  };

  Registry() : owned_(std::make_unique<const Map>()), map_(owned_.get()) {}
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry() = default;

  Pin find(std::string_view name) const {
    ReadHold hold = sides_.enter();
    const Map& map = *map_.load(std::memory_order_seq_cst);
    const auto found = map.find(name);
    if (found == map.end()) return {};
    return Pin(found->second.get(), std::move(hold));
  }
  All all() const {
    ReadHold hold = sides_.enter();
    return All(std::move(hold), map_.load(std::memory_order_seq_cst));
  }
  bool contains(std::string_view name) const { return static_cast<bool>(find(name)); }

  // False, and nothing happens, when the name is taken.
  bool add(std::string name, Entry entry) {
    const std::lock_guard lock(mutex_);
    if (owned_->contains(name)) return false;
    publish(std::move(name), std::make_shared<const Entry>(std::move(entry)));
    return true;
  }
  // In the place of the one of that name, if there is one. Returns that one, which sweep() hands out later.
  const Entry* put(std::string name, Shared entry) {
    const std::lock_guard lock(mutex_);
    return publish(std::move(name), std::move(entry));
  }
  const Entry* put(std::string name, Entry entry) {
    return put(std::move(name), std::make_shared<const Entry>(std::move(entry)));
  }
  const Entry* remove(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return owned_->contains(name) ? publish(std::string(name), nullptr) : nullptr;
  }

  // One that was to be put and was not, but which is in use: sweep() hands it out as if it had been replaced.
  void retire(Shared entry) {
    const std::lock_guard lock(mutex_);
    retired_.push_back({.map = nullptr, .entry = std::move(entry)});
  }

  // Those that were replaced or removed, once no operation has them any more. `is_used` tells of other users than
  // operations. The caller closes and destroys them.
  std::vector<Shared> sweep(const std::function<bool(const Entry&)>& is_used = {}) {
    const std::lock_guard lock(mutex_);
    look();
    std::vector<Shared> unused;
    std::erase_if(retired_, [&](Retired& one) {
      if (one.awaited[0] || one.awaited[1]) return false;
      one.map.reset();
      if (one.entry != nullptr && is_used && is_used(*one.entry)) return false;
      if (one.entry != nullptr) unused.push_back(std::move(one.entry));
      return true;
    });
    return unused;
  }
  bool has_retired() const {
    const std::lock_guard lock(mutex_);
    return !retired_.empty();
  }
  // Those that sweep() has not handed out, whoever uses them. For the stop.
  std::vector<Shared> retired() const {
    const std::lock_guard lock(mutex_);
    std::vector<Shared> left;
    for (const Retired& one : retired_) {
      if (one.entry != nullptr) left.push_back(one.entry);
    }
    return left;
  }
  // Everything goes at once. When nobody reads any more.
  void clear() {
    const std::lock_guard lock(mutex_);
    map_.store(&empty_);
    owned_ = std::make_unique<const Map>();
    map_.store(owned_.get());
    retired_.clear();
  }

 private:
  struct Retired {
    std::unique_ptr<const Map> map;
    Shared entry;  // null: the map alone
    std::array<bool, ReadSides::kSides> awaited = {true, true};
  };

  // A null entry removes.
  const Entry* publish(std::string name, Shared entry) {
    auto next = std::make_unique<Map>(*owned_);
    Shared before;
    if (const auto found = next->find(name); found != next->end()) before = std::move(found->second);
    if (entry == nullptr) {
      next->erase(name);
    } else {
      next->insert_or_assign(std::move(name), std::move(entry));
    }
    const Entry* const replaced = before.get();
    map_.store(next.get(), std::memory_order_seq_cst);
    retired_.push_back({.map = std::exchange(owned_, std::move(next)), .entry = std::move(before)});
    look();
    std::erase_if(retired_,
                  [](const Retired& one) { return one.entry == nullptr && !one.awaited[0] && !one.awaited[1]; });
    return replaced;
  }

  void look() {
    if (retired_.empty()) return;
    const std::size_t other = 1 - sides_.current();
    const bool may_swap = see(other);
    if (see(sides_.current()) || !may_swap) return;
    // New operations go where none is, so that this side's come to an end.
    sides_.swap();
  }
  bool see(std::size_t side) {
    if (!sides_.is_clear(side)) return false;
    for (Retired& one : retired_) one.awaited[side] = false;
    return true;
  }

  const Map empty_;
  ReadSides sides_;
  mutable std::mutex mutex_;  // of what follows
  std::unique_ptr<const Map> owned_;
  std::vector<Retired> retired_;
  std::atomic<const Map*> map_;
};

}  // namespace tandem
