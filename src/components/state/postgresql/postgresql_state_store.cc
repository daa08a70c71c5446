#include "components/state/postgresql/postgresql_state_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace tandem::components {
namespace {

using Clock = std::chrono::steady_clock;
using postgresql::Batch;
using postgresql::Effect;
using postgresql::Outcome;
using postgresql::Pace;
using postgresql::Statement;
using postgresql::StatementText;
using Guard = PostgresqlLayout::Guard;
using std::chrono::milliseconds;

// What Dapr gives the removal of expired rows, and a migration that waits for another process.
constexpr std::chrono::minutes kCleanupPatience{10};
constexpr std::chrono::minutes kMigrationPatience{1};
constexpr int kCreateAttempts = 5;
// What PostgreSQL says to the one of two processes that comes second, depending on how far the first is:
// unique_violation, duplicate_table, duplicate_object.
bool somebody_else_made_it(const Outcome& outcome) {
  const std::string_view code = outcome.failure ? std::string_view(outcome.failure->sqlstate) : "";
  return code == "23505" || code == "42P07" || code == "42710";
}

// One name, or two with a dot: plain words, or anything sensible in double quotes.
bool is_table_name(std::string_view name) {
  const auto take_part = [&]() -> bool {
    const bool quoted = name.starts_with('"');
    std::size_t end = quoted ? name.find('"', 1) : name.find('.');
    if (quoted && end == std::string_view::npos) return false;
    std::string_view part = name.substr(quoted ? 1 : 0, quoted ? end - 1 : end);
    name.remove_prefix(std::min(quoted ? end + 1 : end, name.size()));
    return !part.empty() && std::ranges::all_of(part, [&](unsigned char c) {
      const bool plain =
          (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
      return plain || (quoted && c >= ' ' && c != '%' && c != '$');
    });
  };
  if (!take_part()) return false;
  if (name.empty()) return true;
  if (!name.starts_with('.')) return false;
  name.remove_prefix(1);
  return take_part() && name.empty();
}

Status check_table(std::string_view key, const std::string& name) {
  if (is_table_name(name)) return {};
  return fail(Code::kInvalidArgument,
              std::string(key) + ": \"" + name +
                  "\" is not a table's name (letters, digits and underscores, with a schema and "
                  "a dot before it where there is one; anything else in double quotes)");
}

Error nothing_written(bool with_etag) {
  if (with_etag) return state::etag_mismatch("");
  return make_error(Code::kInternal, "no item was updated");
}

bool with_etag(const state::Operation& operation) {
  return std::visit([](const auto& request) { return has_etag(request.etag); }, operation);
}

// Runs one statement; `done` gets the number of rows that it has written.
void run_one(postgresql::Client& client, const CallContext& context, Result<Statement> statement,
             Completion<std::int64_t> done) {
  if (!statement) return done(fail(std::move(statement.error())));
  Batch batch;
  batch.statements.push_back(std::move(*statement));
  client.run(std::move(batch), context.deadline, [done = std::move(done)](Outcome outcome) mutable {
    if (outcome.failure) return done(fail(std::move(outcome.failure->error)));
    done(outcome.rows.front().affected());
  });
}

}  // namespace

Result<std::unique_ptr<PostgresqlStateStore>> PostgresqlStateStore::open(const PostgresqlStateOptions& options,
                                                                         Warn warn) {
  Result<postgresql::ConnectionSettings> settings = postgresql::make_settings(options.connection);
  if (!settings) return fail(std::move(settings.error()));
  const bool v1 = options.version == PostgresqlVersion::kV1;
  const PostgresqlTables tables{.state = v1 ? options.table_name : options.table_prefix + "state",
                                .metadata = options.metadata_table_name,
                                .prefix = v1 ? "" : options.table_prefix};
  Status names = check_table(v1 ? "tableName" : "tablePrefix", tables.state);
  if (names) names = check_table("metadataTableName", tables.metadata);
  if (!names) return fail(std::move(names.error()));
  std::unique_ptr<PostgresqlStateStore> store(new PostgresqlStateStore(
      std::move(*settings), v1 ? make_postgresql_layout_v1(tables) : make_postgresql_layout_v2(tables),
      options.cleanup_interval, std::move(warn)));
  if (Status status = store->migrate(tables.metadata); !status) return fail(std::move(status.error()));
  store->clean_up_later();
  return store;
}

PostgresqlStateStore::PostgresqlStateStore(postgresql::ConnectionSettings settings,
                                           std::unique_ptr<PostgresqlLayout> layout, milliseconds cleanup_interval,
                                           Warn warn)
    : layout_(std::move(layout)),
      cleanup_interval_(cleanup_interval),
      warn_(std::move(warn)),
      client_(std::move(settings), warn_) {}

PostgresqlStateStore::~PostgresqlStateStore() { close(Clock::now()); }

Status PostgresqlStateStore::migrate(const std::string& metadata_table) {
  const StatementText create{
      "state_create_metadata",
      "CREATE TABLE IF NOT EXISTS " + metadata_table + " (key text NOT NULL PRIMARY KEY, value text NOT NULL)",
      {}};
  const StatementText lock{
      "state_put_lock",
      "INSERT INTO " + metadata_table + " (key, value) VALUES ('lock', 'lock') ON CONFLICT (key) DO NOTHING",
      {}};
  const auto run = [&](Statement statement, Pace pace) {
    Batch batch{.effect = Effect::kWrites, .pace = pace};
    batch.statements.push_back(std::move(statement));
    return client_.run_and_wait(std::move(batch), Clock::now() + kMigrationPatience);
  };
  const auto explained = [&](std::string_view what, postgresql::Failure& failure) {
    // Without a connection there is nothing to say about tables.
    if (failure.sqlstate.empty()) return fail(std::move(failure.error));
    return fail(failure.error.code, std::string(what) + ": " + failure.error.message);
  };
  Outcome outcome = run({&create, {}}, Pace::kQuick);
  // "IF NOT EXISTS" does not see a table that is being made.
  for (int i = 1; i < kCreateAttempts && somebody_else_made_it(outcome); ++i)
    outcome = run({&create, {}}, Pace::kQuick);
  if (outcome.failure) return explained("failed to create metadata table", *outcome.failure);
  outcome = run({&lock, {}}, Pace::kQuick);
  if (outcome.failure) return explained("failed to ensure lock row 'lock' exists", *outcome.failure);
  outcome = run(layout_->migrate(), Pace::kLong);
  if (outcome.failure) return explained("failed to create or migrate the tables", *outcome.failure);
  return {};
}

void PostgresqlStateStore::ping(const CallContext& context, Completion<void> done) {
  Batch batch{.statements = {{&ping_, {}}}, .effect = Effect::kReads};
  client_.run(std::move(batch), context.deadline, [done = std::move(done)](Outcome outcome) mutable {
    if (outcome.failure) return done(fail(std::move(outcome.failure->error)));
    done({});
  });
}

void PostgresqlStateStore::get(const CallContext& context, const state::GetRequest& request,
                               Completion<state::GetResponse> done) {
  Batch batch{.statements = {layout_->get(request.key)}, .effect = Effect::kReads};
  client_.run(std::move(batch), context.deadline, [this, done = std::move(done)](Outcome outcome) mutable {
    if (outcome.failure) return done(fail(std::move(outcome.failure->error)));
    const postgresql::Rows& rows = outcome.rows.front();
    if (rows.size() == 0) return done(state::GetResponse{});
    done(layout_->read(rows, 0));
  });
}

void PostgresqlStateStore::list_keys(const CallContext& context, state::ListRequest request,
                                     Completion<std::vector<std::string>> done) {
  Batch batch{.statements = {layout_->list(request)}, .effect = Effect::kReads};
  client_.run(std::move(batch), context.deadline, [done = std::move(done)](Outcome outcome) mutable {
    if (outcome.failure) return done(fail(std::move(outcome.failure->error)));
    const postgresql::Rows& rows = outcome.rows.front();
    std::vector<std::string> keys;
    for (int row = 0; row < rows.size(); ++row) keys.push_back(rows.text(row, 0));
    done(std::move(keys));
  });
}

void PostgresqlStateStore::bulk_get(const CallContext& context, std::vector<std::string> keys,
                                    Completion<std::vector<state::BulkGetItem>> done) {
  if (keys.empty()) return done(std::vector<state::BulkGetItem>{});
  Batch batch{.statements = {layout_->get_all(keys)}, .effect = Effect::kReads};
  client_.run(std::move(batch), context.deadline,
              [this, keys = std::move(keys), done = std::move(done)](Outcome outcome) mutable {
                if (outcome.failure) return done(fail(std::move(outcome.failure->error)));
                const postgresql::Rows& rows = outcome.rows.front();
                std::map<std::string, int> found;
                for (int row = 0; row < rows.size(); ++row) found.emplace(rows.text(row, 0), row);
                std::vector<state::BulkGetItem> items;
                items.reserve(keys.size());
                for (std::string& key : keys) {
                  state::BulkGetItem& item = items.emplace_back();
                  if (const auto row = found.find(key); row != found.end()) {
                    Result<state::GetResponse> value = layout_->read(rows, row->second);
                    if (value) {
                      item.value = std::move(*value);
                    } else {
                      item.error = std::move(value.error());
                    }
                  }
                  item.key = std::move(key);
                }
                done(std::move(items));
              });
}

void PostgresqlStateStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  run_one(client_, context, layout_->set(request, Guard::kNone),
          [etag = has_etag(request.etag), done = std::move(done)](Result<std::int64_t> rows) mutable {
            if (!rows) return done(fail(std::move(rows.error())));
            if (*rows != 1) return done(fail(nothing_written(etag)));
            done({});
          });
}

void PostgresqlStateStore::remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) {
  run_one(client_, context, layout_->remove(request, Guard::kNone),
          [etag = has_etag(request.etag), done = std::move(done)](Result<std::int64_t> rows) mutable {
            if (!rows) return done(fail(std::move(rows.error())));
            if (etag && *rows != 1) return done(fail(nothing_written(etag)));
            done({});
          });
}

void PostgresqlStateStore::transact(const CallContext& context, std::vector<state::Operation> operations,
                                    Completion<void> done) {
  if (operations.empty()) return done({});
  Batch batch;
  std::vector<bool> etags;
  for (const state::Operation& operation : operations) {
    Result<Statement> statement = std::holds_alternative<state::SetRequest>(operation)
                                      ? layout_->set(std::get<state::SetRequest>(operation), Guard::kFails)
                                      : layout_->remove(std::get<state::DeleteRequest>(operation), Guard::kFails);
    if (!statement) return done(fail(std::move(statement.error())));
    batch.statements.push_back(std::move(*statement));
    etags.push_back(with_etag(operation));
  }
  client_.run(std::move(batch), context.deadline,
              [etags = std::move(etags), done = std::move(done)](Outcome outcome) mutable {
                if (!outcome.failure) return done({});
                postgresql::Failure& failure = *outcome.failure;
                if (failure.sqlstate == kNothingDone && failure.statement < etags.size()) {
                  return done(fail(nothing_written(etags[failure.statement])));
                }
                done(fail(std::move(failure.error)));
              });
}

// ---- expired rows

void PostgresqlStateStore::clean_up_later() {
  if (cleanup_interval_ <= milliseconds(0)) return;
  client_.loop().post_after(cleanup_interval_, [this] { clean_up(); });
}

void PostgresqlStateStore::clean_up() {
  // Any process that shares the tables may do it; the claim is one row of the metadata table. A tenth of a second is
  // taken off, so that a timer that is a little early still counts.
  const auto report = [this](const Outcome& outcome) {
    if (warn_) warn_("Error removing expired data: " + outcome.failure->error.message);
    clean_up_later();
  };
  Batch claim{.statements = {layout_->claim_cleanup(cleanup_interval_.count() - 100)}};
  client_.run(std::move(claim), SteadyTime::max(), [this, report](const Outcome& claimed) {
    if (claimed.failure) return report(claimed);
    if (claimed.rows.front().affected() == 0) return clean_up_later();
    Batch removal{.statements = {layout_->remove_expired()}, .pace = Pace::kLong};
    client_.run(std::move(removal), Clock::now() + kCleanupPatience, [this, report](const Outcome& removed) {
      if (removed.failure) return report(removed);
      clean_up_later();
    });
  });
}

void PostgresqlStateStore::close(SteadyTime deadline) { client_.close(deadline); }

}  // namespace tandem::components
