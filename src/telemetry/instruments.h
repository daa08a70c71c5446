// Counter, Gauge and Histogram: the cells that hot paths write to.
//
// Owned by Metrics, which hands out references that live as long as it does. Any thread, no locks: a counter or
// histogram has kShards copies on cache lines of their own, a thread always writes to the same one, and only a scrape
// adds them up. A write is one or two uncontended relaxed atomic additions. Never fails.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tandem::telemetry {

inline constexpr std::size_t kShards = 8;
inline constexpr std::size_t kCacheLine = 64;

// The shard of the calling thread: threads take them in turn.
std::size_t thread_shard() noexcept;

class Counter final {
 public:
  void add(std::uint64_t count = 1) noexcept {
    shards_[thread_shard()].value.fetch_add(count, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept;

 private:
  struct alignas(kCacheLine) Shard {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Shard, kShards> shards_;
};

// A value that goes up and down, such as instances alive. Written rarely, so not sharded.
class Gauge final {
 public:
  void add(std::int64_t amount) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
  void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class Histogram final {
 public:
  struct Snapshot {
    std::vector<std::uint64_t> counts;  // one a bound and one for what is above all of them; not cumulative
    double sum = 0;
  };

  // Rising upper bounds, each part of its bucket (Prometheus's `le`).
  explicit Histogram(std::vector<double> bounds);

  void observe(double value) noexcept;
  void observe_ms(std::chrono::nanoseconds elapsed) noexcept { observe(static_cast<double>(elapsed.count()) / 1e6); }
  void observe_seconds(std::chrono::nanoseconds elapsed) noexcept {
    observe(static_cast<double>(elapsed.count()) / 1e9);
  }

  const std::vector<double>& bounds() const { return bounds_; }
  Snapshot snapshot() const;

 private:
  struct alignas(kCacheLine) Shard {
    std::atomic<double> sum{0};
    std::unique_ptr<std::atomic<std::uint64_t>[]> counts;
  };

  const std::vector<double> bounds_;
  std::array<Shard, kShards> shards_;
};

}  // namespace tandem::telemetry
