// PostgresqlLayout: how one version of state.postgresql keeps values in tables, the very tables of Dapr's component of
// that version, so that daprd and Tandem share a database. Made once a store, immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "blocks/state/state_store.h"
#include "components/postgresql/batch.h"

namespace tandem::components {

struct PostgresqlTables {
  std::string state = "state";             // may have a schema before it: "public.state"
  std::string metadata = "dapr_metadata";  // the same
  std::string prefix;                      // v2: of `state`, and of the keys in the metadata table
};

class PostgresqlLayout {
 public:
  virtual ~PostgresqlLayout() = default;

  // Columns: key, value and whatever read() knows.
  virtual postgresql::Statement get(std::string_view key) const = 0;
  virtual postgresql::Statement get_all(const std::vector<std::string>& keys) const = 0;
  virtual Result<state::GetResponse> read(const postgresql::Rows& rows, int row) const = 0;
  // One column: keys.
  virtual postgresql::Statement list(const state::ListRequest& request) const = 0;

  // kFails: the statement fails with kNothingDone where it would change no row, so that the transaction it is in fails
  // with it. The functions fail for an ETag that is none of this layout's.
  enum class Guard { kNone, kFails };
  virtual Result<postgresql::Statement> set(const state::SetRequest& request, Guard guard) const = 0;
  virtual Result<postgresql::Statement> remove(const state::DeleteRequest& request, Guard guard) const = 0;

  // Brings the tables to this version's last level. One statement: all or nothing, one process at a time.
  virtual postgresql::Statement migrate() const = 0;
  // Changes a row when nobody cleaned up in the last `interval_ms`.
  virtual postgresql::Statement claim_cleanup(std::int64_t interval_ms) const = 0;
  virtual postgresql::Statement remove_expired() const = 0;
};

// PostgreSQL's division_by_zero.
inline constexpr std::string_view kNothingDone = "22012";

// Keys in the order of their bytes, whatever the database's own order is. `alive` is the condition that a row counts.
postgresql::StatementText list_text(const std::string& table, std::string_view alive);
postgresql::Statement list_statement(const postgresql::StatementText& text, const state::ListRequest& request);

// A statement that changes at most one row, with and without a guard.
struct GuardedText {
  postgresql::StatementText plain;
  postgresql::StatementText guarded;
};
void put(postgresql::StatementText plain, GuardedText& into);
inline const postgresql::StatementText& pick(const GuardedText& text, PostgresqlLayout::Guard guard) {
  return guard == PostgresqlLayout::Guard::kFails ? text.guarded : text.plain;
}

inline bool has_etag(const std::optional<std::string>& etag) { return etag && !etag->empty(); }

// PL/pgSQL that brings the tables from the level in the metadata table at `key` to the last of `levels`, under the
// lock that daprd takes, too.
std::string migration_sql(const PostgresqlTables& tables, const std::string& key,
                          const std::vector<std::string>& levels);
// The level that gives each row a number, in the order of `created`.
std::string number_rows_sql(const std::string& table, std::string_view created);

std::unique_ptr<PostgresqlLayout> make_postgresql_layout_v1(const PostgresqlTables& tables);
std::unique_ptr<PostgresqlLayout> make_postgresql_layout_v2(const PostgresqlTables& tables);

}  // namespace tandem::components
