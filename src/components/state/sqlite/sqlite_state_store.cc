#include "components/state/sqlite/sqlite_state_store.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "components/state/sqlite/schema.h"

namespace tandem::components {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Result<std::unique_ptr<SqliteStateStore>> SqliteStateStore::open(const SqliteOptions& options, WriteQueue::Warn warn) {
  const Result<SqliteTarget> target = check_options(options);
  if (!target) return fail(target.error());
  Result<std::unique_ptr<Database>> writer = open_writer(options, *target);
  if (!writer) return fail(std::move(writer.error()));
  // A read-only file must have its tables already.
  if (!target->file.read_only) {
    if (Status status = migrate(**writer, options); !status) return fail(std::move(status.error()));
  }
  std::unique_ptr<SqliteStateStore> store(new SqliteStateStore(options));
  if (Status status = store->open_readers(options, *target, **writer); !status) return fail(std::move(status.error()));
  const std::chrono::milliseconds cleanup =
      target->file.read_only ? std::chrono::milliseconds(0) : options.cleanup_interval;
  Result<std::unique_ptr<WriteQueue>> writes =
      WriteQueue::start(std::move(*writer), options.table_name, options.metadata_table_name, cleanup, std::move(warn));
  if (!writes) return fail(std::move(writes.error()));
  store->writes_ = std::move(*writes);
  if (!target->in_memory) store->read_pool_ = std::make_unique<BlockingPool>(kReaders, kMaxQueuedReads);
  return store;
}

SqliteStateStore::SqliteStateStore(const SqliteOptions& options) : timeout_(options.timeout) {}

SqliteStateStore::~SqliteStateStore() { close(Clock::now()); }

Status SqliteStateStore::open_readers(const SqliteOptions& options, const SqliteTarget& target, Database& writer) {
  for (std::size_t i = 0; i < (target.in_memory ? 1 : kReaders); ++i) {
    std::unique_ptr<Database> owned;
    Database* database = &writer;
    if (!target.in_memory) {
      Result<std::unique_ptr<Database>> opened = open_reader(options, target);
      if (!opened) return fail(std::move(opened.error()));
      owned = std::move(*opened);
      database = owned.get();
    }
    Result<ReadStatements> statements = ReadStatements::prepare(*database, options.table_name);
    if (!statements) return fail(std::move(statements.error()));
    readers_.push_back(std::make_unique<Reader>(database, std::move(owned), std::move(*statements)));
    free_readers_.push_back(readers_.back().get());
  }
  return {};
}

SteadyTime SqliteStateStore::deadline_of(const CallContext& context) const {
  return std::min(context.deadline, Clock::now() + timeout_);
}

SqliteStateStore::Reader& SqliteStateStore::take_reader() {
  // There are as many readers as threads that read.
  std::lock_guard lock(readers_mutex_);
  Reader& reader = *free_readers_.back();
  free_readers_.pop_back();
  return reader;
}

void SqliteStateStore::give_back(Reader& reader) {
  std::lock_guard lock(readers_mutex_);
  free_readers_.push_back(&reader);
}

template <class T, class Work>
void SqliteStateStore::read(const CallContext& context, Completion<T> done, Work work) {
  struct Job {
    SqliteStateStore& store;
    SteadyTime deadline;
    Work work;
    Completion<T> done;

    void run() {
      if (Clock::now() > deadline) {
        return done(fail(Code::kDeadlineExceeded, "the read waited for the SQLite file past its deadline"));
      }
      Reader& reader = store.take_reader();
      Result<T> result = work(reader);
      store.give_back(reader);
      done(std::move(result));
    }
  };
  auto job = std::make_shared<Job>(*this, deadline_of(context), std::move(work), std::move(done));
  Task task = [job] { job->run(); };
  const bool accepted = read_pool_ != nullptr ? read_pool_->try_post(task) : writes_->submit_job(task);
  if (accepted) return;
  job->done(fail(Code::kUnavailable, "too many reads wait for the SQLite file, or the state store is closed"));
}

state::Features SqliteStateStore::features() const { return {.etag = true, .transactional = true, .ttl = true}; }

void SqliteStateStore::ping(const CallContext& context, Completion<void> done) {
  read<void>(context, std::move(done), [](Reader& reader) -> Status { return reader.database->execute("SELECT 1"); });
}

void SqliteStateStore::get(const CallContext& context, const state::GetRequest& request,
                           Completion<state::GetResponse> done) {
  read<state::GetResponse>(context, std::move(done),
                           [key = std::string(request.key)](Reader& reader) { return reader.statements.get(key); });
}

void SqliteStateStore::bulk_get(const CallContext& context, std::vector<std::string> keys,
                                Completion<std::vector<state::BulkGetItem>> done) {
  using Items = std::vector<state::BulkGetItem>;
  read<Items>(context, std::move(done), [keys = std::move(keys)](Reader& reader) mutable -> Result<Items> {
    // One transaction: all values are of one moment.
    if (Status status = reader.database->execute("BEGIN"); !status) return fail(std::move(status.error()));
    Items items;
    items.reserve(keys.size());
    for (std::string& key : keys) {
      state::BulkGetItem& item = items.emplace_back();
      Result<state::GetResponse> value = reader.statements.get(key);
      if (value) {
        item.value = std::move(*value);
      } else {
        item.error = std::move(value.error());
      }
      item.key = std::move(key);
    }
    Status ended = reader.database->execute("COMMIT");
    if (!ended && reader.database->in_transaction()) ended = reader.database->execute("ROLLBACK");
    if (!ended) return fail(std::move(ended.error()));
    return items;
  });
}

void SqliteStateStore::list_keys(const CallContext& context, state::ListRequest request,
                                 Completion<std::vector<std::string>> done) {
  read<std::vector<std::string>>(context, std::move(done), [request = std::move(request)](Reader& reader) {
    return reader.statements.list(request);
  });
}

void SqliteStateStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  writes_->submit(std::move(request), deadline_of(context), std::move(done));
}

void SqliteStateStore::remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) {
  writes_->submit(std::move(request), deadline_of(context), std::move(done));
}

void SqliteStateStore::transact(const CallContext& context, std::vector<state::Operation> operations,
                                Completion<void> done) {
  if (operations.empty()) return done({});
  writes_->submit(std::move(operations), deadline_of(context), std::move(done));
}

void SqliteStateStore::close(SteadyTime deadline) {
  if (read_pool_ != nullptr) read_pool_->stop();
  if (writes_ != nullptr) writes_->close(deadline);
}

}  // namespace tandem::components
