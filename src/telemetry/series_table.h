// The series of one family whose labels are known only when a call comes: by a name (a path, an app id) and a number (a
// status).
//
// Owned by a bundle of instruments, which it does not outlive. Any thread, no locks: entries are only ever added, so
// finding one that is there is a hash and a comparison, without allocation. What is new is made by the first call that
// needs it. Bounded: further names share one entry, called Metrics::kOverflow, so hostile paths cannot fill the memory.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/metrics.h"

namespace tandem::telemetry {

template <class Series>
class SeriesTable final {
 public:
  static constexpr std::size_t kMaxEntries = 1000;

  SeriesTable() = default;
  ~SeriesTable() {
    for (auto& slot : slots_) delete slot.load();
  }
  SeriesTable(const SeriesTable&) = delete;
  SeriesTable& operator=(const SeriesTable&) = delete;

  // `make(name, number)` returns the Series of a new entry; two threads may both make one, one is kept.
  template <class Make>
  const Series& find(std::string_view name, std::uint32_t number, Make make) {
    std::size_t at = std::hash<std::string_view>()(name) + number * kSpread;
    while (true) {
      auto& slot = slots_[at++ % kSlots];
      const Entry* entry = slot.load(std::memory_order_acquire);
      if (entry == nullptr) {
        const bool full = size_.load(std::memory_order_relaxed) >= kMaxEntries;
        if (full && name != Metrics::kOverflow) return find(Metrics::kOverflow, 0, make);
        auto fresh = std::make_unique<const Entry>(std::string(name), number, make(name, number));
        if (slot.compare_exchange_strong(entry, fresh.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
          size_.fetch_add(1, std::memory_order_relaxed);
          return fresh.release()->series;
        }
      }
      if (entry->number == number && entry->name == name) return entry->series;
    }
  }

 private:
  // Twice the entries: a free slot is always near. Threads that add at the same moment are far fewer than the rest.
  static constexpr std::size_t kSlots = 2048;
  static constexpr std::size_t kSpread = 0x9E3779B1;

  struct Entry {
    Entry(std::string name, std::uint32_t number, Series series)
        : name(std::move(name)), number(number), series(series) {}
    const std::string name;
    const std::uint32_t number;
    const Series series;
  };

  std::atomic<std::size_t> size_{0};
  std::array<std::atomic<const Entry*>, kSlots> slots_{};
};

}  // namespace tandem::telemetry
