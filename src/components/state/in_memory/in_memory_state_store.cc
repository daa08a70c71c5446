#include "components/state/in_memory/in_memory_state_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/uuid.h"

namespace tandem::components {
namespace {

using state::Concurrency;
using state::DeleteRequest;
using state::SetRequest;

constexpr std::size_t kStripes = 64;
constexpr std::chrono::milliseconds kSweepInterval{1000};
// Values that a sweep removes from a stripe in one go, with its lock held.
constexpr std::size_t kSweepBatch = 256;

struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

struct Item {
  SharedBytes value;
  std::string etag;                // short enough to live inside the string
  std::int64_t expires_at_ms = 0;  // 0: never
};

std::int64_t system_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Eleven characters for 64 bits.
std::string etag_of(std::uint64_t number) {
  static constexpr char kDigits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
  std::string etag(11, '0');
  for (int i = 10; i >= 0; --i, number >>= 6) etag[static_cast<std::size_t>(i)] = kDigits[number & 63];
  return etag;
}

}  // namespace

class InMemoryStateStore::Table final {
 public:
  explicit Table(Clock clock) : clock_(std::move(clock)), next_etag_(random_bits()) {}

  state::GetResponse get(std::string_view key) {
    Stripe& stripe = stripe_of(key);
    std::lock_guard lock(stripe.mutex);
    const auto found = stripe.items.find(key);
    if (found == stripe.items.end()) return {};
    const Item& item = found->second;
    if (item.expires_at_ms == 0) return {item.value, item.etag, std::nullopt};
    if (item.expires_at_ms <= clock_()) return {};
    return {item.value, item.etag, item.expires_at_ms};
  }

  Status set(SetRequest request) {
    Stripe& stripe = stripe_of(request.key);
    std::lock_guard lock(stripe.mutex);
    if (Status status = check(stripe, request.key, request.etag, request.concurrency); !status) return status;
    apply(stripe, std::move(request));
    return {};
  }

  Status remove(const DeleteRequest& request) {
    Stripe& stripe = stripe_of(request.key);
    std::lock_guard lock(stripe.mutex);
    if (Status status = check(stripe, request.key, request.etag, request.concurrency); !status) return status;
    erase(stripe, request.key);
    return {};
  }

  // All ETags are checked against what is stored before the first change, as in Dapr.
  Status transact(std::vector<state::Operation> operations) {
    std::bitset<kStripes> touched;
    for (const state::Operation& operation : operations) touched.set(index_of(key_of(operation)));
    std::vector<std::unique_lock<std::mutex>> locks;  // in the order of the stripes: no deadlock
    for (std::size_t i = 0; i < kStripes; ++i) {
      if (touched.test(i)) locks.emplace_back(stripes_[i].mutex);
    }
    for (const state::Operation& operation : operations) {
      Status status = std::visit(
          [&](const auto& request) {
            return check(stripe_of(request.key), request.key, request.etag, request.concurrency);
          },
          operation);
      if (!status) return status;
    }
    for (state::Operation& operation : operations) {
      if (auto* request = std::get_if<SetRequest>(&operation)) {
        apply(stripe_of(request->key), std::move(*request));
      } else {
        const std::string& key = std::get<DeleteRequest>(operation).key;
        erase(stripe_of(key), key);
      }
    }
    return {};
  }

  std::vector<std::string> list(const state::ListRequest& request) {
    const std::int64_t now = clock_();
    const std::size_t wanted = request.skip > SIZE_MAX - request.limit ? SIZE_MAX : request.skip + request.limit;
    std::set<std::string> first;  // of those that fit
    for (Stripe& stripe : stripes_) {
      std::lock_guard lock(stripe.mutex);
      for (const auto& [key, item] : stripe.items) {
        if (!key.starts_with(request.prefix) || key <= request.after) continue;
        if (item.expires_at_ms != 0 && item.expires_at_ms <= now) continue;
        if (first.size() >= wanted && key >= *first.rbegin()) continue;
        first.insert(key);
        if (first.size() > wanted) first.erase(std::prev(first.end()));
      }
    }
    const std::size_t skip = std::min(request.skip, first.size());
    return {std::next(first.begin(), static_cast<std::ptrdiff_t>(skip)), first.end()};
  }

  // Removes some expired values; true when there may be more.
  bool sweep() {
    bool more = false;
    const std::int64_t now = clock_();
    for (Stripe& stripe : stripes_) {
      std::lock_guard lock(stripe.mutex);
      std::size_t removed = 0;
      while (!stripe.expiries.empty() && stripe.expiries.begin()->first <= now) {
        if (removed++ == kSweepBatch) {
          more = true;
          break;
        }
        stripe.items.erase(stripe.items.find(*stripe.expiries.begin()->second));
        stripe.expiries.erase(stripe.expiries.begin());
      }
    }
    return more;
  }

  void clear() {
    for (Stripe& stripe : stripes_) {
      std::lock_guard lock(stripe.mutex);
      stripe.expiries.clear();
      stripe.items.clear();
    }
  }

  std::size_t size() const {
    std::size_t size = 0;
    for (const Stripe& stripe : stripes_) {
      std::lock_guard lock(stripe.mutex);
      size += stripe.items.size();
    }
    return size;
  }

 private:
  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    std::unordered_map<std::string, Item, KeyHash, std::equal_to<>> items;
    // When, and the key inside `items` (its nodes do not move).
    std::set<std::pair<std::int64_t, const std::string*>> expiries;
  };

  static std::size_t index_of(std::string_view key) {
    // The map inside uses the low bits of the same hash.
    return KeyHash()(key) >> 48 & (kStripes - 1);
  }
  static const std::string& key_of(const state::Operation& operation) {
    return std::visit([](const auto& request) -> const std::string& { return request.key; }, operation);
  }
  Stripe& stripe_of(std::string_view key) { return stripes_[index_of(key)]; }

  Status check(Stripe& stripe, std::string_view key, const std::optional<std::string>& etag, Concurrency concurrency) {
    const bool has_etag = etag && !etag->empty();
    if (!has_etag && concurrency != Concurrency::kFirstWrite) return {};
    const auto found = stripe.items.find(key);
    const bool exists =
        found != stripe.items.end() && (found->second.expires_at_ms == 0 || found->second.expires_at_ms > clock_());
    if (!has_etag) {
      if (!exists) return {};
      return fail(state::etag_mismatch("item already exists and no etag was passed"));
    }
    if (!exists) return fail(state::etag_mismatch("state not exist or expired for key=" + std::string(key)));
    if (found->second.etag == *etag) return {};
    return fail(state::etag_mismatch("state etag not match for key=" + std::string(key) +
                                     ": current=" + found->second.etag + ", expect=" + *etag));
  }

  void apply(Stripe& stripe, SetRequest request) {
    static const SharedBytes kEmpty = share("");
    const auto [at, added] = stripe.items.try_emplace(std::move(request.key));
    Item& item = at->second;
    if (item.expires_at_ms != 0) stripe.expiries.erase({item.expires_at_ms, &at->first});
    item.value = request.value != nullptr ? std::move(request.value) : kEmpty;
    item.etag = etag_of(next_etag_.fetch_add(1, std::memory_order_relaxed));
    item.expires_at_ms = 0;
    if (request.ttl_seconds.value_or(0) > 0) {
      item.expires_at_ms = clock_() + *request.ttl_seconds * 1000;
      stripe.expiries.emplace(item.expires_at_ms, &at->first);
    }
  }

  void erase(Stripe& stripe, std::string_view key) {
    const auto found = stripe.items.find(key);
    if (found == stripe.items.end()) return;
    if (found->second.expires_at_ms != 0) stripe.expiries.erase({found->second.expires_at_ms, &found->first});
    stripe.items.erase(found);
  }

  const Clock clock_;
  std::atomic<std::uint64_t> next_etag_;
  std::array<Stripe, kStripes> stripes_;
};

InMemoryStateStore::InMemoryStateStore(TimedExecutor& timers) : InMemoryStateStore(timers, system_now_ms) {}

InMemoryStateStore::InMemoryStateStore(TimedExecutor& timers, Clock clock)
    : table_(std::make_shared<Table>(std::move(clock))) {
  schedule_sweep(timers, table_, kSweepInterval);
}

InMemoryStateStore::~InMemoryStateStore() = default;

void InMemoryStateStore::schedule_sweep(TimedExecutor& timers, std::weak_ptr<Table> table,
                                        std::chrono::milliseconds delay) {
  timers.post_after(delay, [&timers, table = std::move(table)]() mutable {
    const std::shared_ptr<Table> alive = table.lock();
    if (alive == nullptr) return;
    const bool more = alive->sweep();
    // The executor's other work goes first, then the rest.
    schedule_sweep(timers, std::move(table), more ? std::chrono::milliseconds(1) : kSweepInterval);
  });
}

state::Features InMemoryStateStore::features() const {
  using Negative = state::TtlRules::Negative;
  return {.etag = true,
          .transactional = true,
          .ttl = true,
          .ttl_rules = {.before = "", .parser = "strconv.Atoi", .negative = Negative::kForEver},
          .checked_options = {.transacted_remove = false}};
}

void InMemoryStateStore::ping(const CallContext&, Completion<void> done) { done({}); }

void InMemoryStateStore::get(const CallContext&, const state::GetRequest& request,
                             Completion<state::GetResponse> done) {
  done(table_->get(request.key));
}

void InMemoryStateStore::set(const CallContext&, SetRequest request, Completion<void> done) {
  done(table_->set(std::move(request)));
}

void InMemoryStateStore::remove(const CallContext&, DeleteRequest request, Completion<void> done) {
  done(table_->remove(request));
}

void InMemoryStateStore::transact(const CallContext&, std::vector<state::Operation> operations, Completion<void> done) {
  done(table_->transact(std::move(operations)));
}

void InMemoryStateStore::list_keys(const CallContext&, state::ListRequest request,
                                   Completion<std::vector<std::string>> done) {
  done(table_->list(request));
}

void InMemoryStateStore::close(SteadyTime) { table_->clear(); }

std::size_t InMemoryStateStore::size() const { return table_->size(); }

}  // namespace tandem::components
