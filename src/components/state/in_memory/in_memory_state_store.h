// state.in-memory: values in this process's memory, gone when it ends.
//
// A hash map in stripes, each with its own lock, so that workers rarely meet. A value is handed out by reference, never
// copied. Every operation completes in place, on the caller's thread; any thread may call. Nothing fails but what the
// caller asked for (ETag, first-write). An expired value is gone for readers at once; its memory comes back with the
// sweep.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/executor.h"
#include "blocks/state/state_store.h"

namespace tandem::components {

class InMemoryStateStore final : public state::Store {
 public:
  // Unix time in milliseconds.
  using Clock = std::function<std::int64_t()>;

  // Sweeps expired values on `timers`, which must outlive the store's close(). Some of a sweep's work runs on that
  // executor's thread: a bounded number of values at a time.
  explicit InMemoryStateStore(TimedExecutor& timers);
  InMemoryStateStore(TimedExecutor& timers, Clock clock);
  ~InMemoryStateStore() override;

  state::Features features() const override;
  bool in_place() const override { return true; }
  void ping(const CallContext& context, Completion<void> done) override;
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  // Looks at every key, a stripe at a time: keys that come and go meanwhile may be missed or listed.
  void list_keys(const CallContext& context, state::ListRequest request,
                 Completion<std::vector<std::string>> done) override;
  void close(SteadyTime deadline) override;

  // Values held, expired ones that no sweep has met included.
  std::size_t size() const;

 private:
  class Table;
  static void schedule_sweep(TimedExecutor& timers, std::weak_ptr<Table> table, std::chrono::milliseconds delay);

  const std::shared_ptr<Table> table_;  // shared with the sweep that is scheduled
};

}  // namespace tandem::components
