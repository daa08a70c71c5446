// The values of the last keys that were asked for, at most so many. One thread at a time. Never fails.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace tandem::policy {

template <class Value>
class LruCache final {
 public:
  explicit LruCache(std::size_t limit) : limit_(limit) {}

  // The value, made by `make()` when there is none; the one that was asked for longest ago makes room.
  template <class Make>
  Value& find(std::string_view key, Make make) {
    if (const auto found = places_.find(key); found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().second;
    }
    if (entries_.size() >= limit_ && !entries_.empty()) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(std::string(key), make());
    places_.emplace(entries_.front().first, entries_.begin());
    return entries_.front().second;
  }

 private:
  using Entries = std::list<std::pair<const std::string, Value>>;

  const std::size_t limit_;
  Entries entries_;  // the last one asked for first
  std::map<std::string_view, typename Entries::iterator, std::less<>> places_;
};

}  // namespace tandem::policy
