#include "telemetry/instruments.h"

#include <algorithm>

namespace tandem::telemetry {

std::size_t thread_shard() noexcept {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kShards;
  return mine;
}

std::uint64_t Counter::value() const noexcept {
  std::uint64_t total = 0;
  for (const Shard& shard : shards_) total += shard.value.load(std::memory_order_relaxed);
  return total;
}

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {
  // Rounded up to whole cache lines so that two shards never share one.
  constexpr std::size_t kCountsALine = kCacheLine / sizeof(std::uint64_t);
  std::size_t size = (bounds_.size() + 1 + 2 * kCountsALine - 1) / kCountsALine * kCountsALine;
  for (Shard& shard : shards_) shard.counts = std::make_unique<std::atomic<std::uint64_t>[]>(size);
}

void Histogram::observe(double value) noexcept {
  Shard& shard = shards_[thread_shard()];
  auto bucket = static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  shard.counts[bucket].fetch_add(1, std::memory_order_relaxed);
  shard.sum.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot out;
  out.counts.resize(bounds_.size() + 1);
  for (const Shard& shard : shards_) {
    for (std::size_t i = 0; i < out.counts.size(); ++i)
      out.counts[i] += shard.counts[i].load(std::memory_order_relaxed);
    out.sum += shard.sum.load(std::memory_order_relaxed);
  }
  return out;
}

}  // namespace tandem::telemetry
