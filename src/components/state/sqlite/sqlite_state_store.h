// state.sqlite: values in a SQLite file that daprd can open too
// (https://docs.dapr.io/reference/components-reference/supported-state-stores/setup-sqlite/).
//
// Writes go through one WriteQueue (group commit, acknowledged once durable), reads through a small pool of threads,
// each with its own connection. Any thread may call; completions run on the store's threads. A store that is closed
// answers kUnavailable. Failures name the file and SQLite's reason.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/blocking_pool.h"
#include "blocks/state/state_store.h"
#include "components/state/sqlite/sqlite_options.h"
#include "components/state/sqlite/statements.h"
#include "components/state/sqlite/write_queue.h"

namespace tandem::components {

class SqliteStateStore final : public state::Store {
 public:
  static constexpr std::size_t kReaders = 2;
  // Reads that wait for a thread; further ones fail with kResourceExhausted.
  static constexpr std::size_t kMaxQueuedReads = 16'384;

  // Opens the file, creates or migrates its tables. Blocks: not on a worker. `warn` hears of failures in the
  // background.
  static Result<std::unique_ptr<SqliteStateStore>> open(const SqliteOptions& options, WriteQueue::Warn warn);
  ~SqliteStateStore() override;

  state::Features features() const override;
  void ping(const CallContext& context, Completion<void> done) override;
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override;
  void bulk_get(const CallContext& context, std::vector<std::string> keys,
                Completion<std::vector<state::BulkGetItem>> done) override;
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  void list_keys(const CallContext& context, state::ListRequest request,
                 Completion<std::vector<std::string>> done) override;
  void close(SteadyTime deadline) override;

 private:
  // A connection for reading; one thread at a time has it.
  struct Reader {
    Database* database;
    std::unique_ptr<Database> owned;  // null when the writer's connection is the only one
    ReadStatements statements;
  };
  using ReadWork = std::move_only_function<void(Reader&)>;

  explicit SqliteStateStore(const SqliteOptions& options);
  Status open_readers(const SqliteOptions& options, const SqliteTarget& target, Database& writer);
  SteadyTime deadline_of(const CallContext& context) const;
  // Runs `work` where a reader is free; fails `done` when too much waits, the store is closed or the time is over.
  template <class T, class Work>
  void read(const CallContext& context, Completion<T> done, Work work);
  Reader& take_reader();
  void give_back(Reader& reader);

  const std::chrono::milliseconds timeout_;
  std::unique_ptr<WriteQueue> writes_;
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<Reader*> free_readers_;
  // Null for a database in memory, which has one connection: its reads go to the writer's thread.
  std::unique_ptr<BlockingPool> read_pool_;
};

}  // namespace tandem::components
