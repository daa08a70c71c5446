// The SQL of state.sqlite on one connection: prepared once, run often. Belongs to the connection's thread.
//
// Writes are those of Dapr's component, row for row: values of text as they are, others as base64 with is_binary set.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "blocks/state/state_store.h"
#include "components/state/sqlite/database.h"

namespace tandem::components {

class ReadStatements final {
 public:
  static Result<ReadStatements> prepare(Database& database, const std::string& table);

  // A missing or expired key is a success with null data.
  Result<state::GetResponse> get(std::string_view key);
  Result<std::vector<std::string>> list(const state::ListRequest& request);

 private:
  ReadStatements(Statement get, Statement list) : get_(std::move(get)), list_(std::move(list)) {}

  Statement get_;
  Statement list_;
};

class WriteStatements final {
 public:
  static Result<WriteStatements> prepare(Database& database, const std::string& table,
                                         const std::string& metadata_table);

  Status set(const state::SetRequest& request);
  Status remove(const state::DeleteRequest& request);

  // Removes at most `limit` expired rows; how many it removed.
  Result<std::int64_t> remove_expired(std::int64_t limit);
  // Notes the time of a clean-up; false when another process has done one in less than `interval_ms`.
  Result<bool> claim_cleanup(std::int64_t interval_ms);

 private:
  explicit WriteStatements(Database& database) : database_(&database) {}

  Database* database_;
  Statement set_;
  Statement set_first_;
  Statement set_matching_;
  Statement remove_;
  Statement remove_matching_;
  Statement remove_expired_;
  Statement claim_cleanup_;
};

// True for UTF-8 without NUL: what SQLite's TEXT gives back byte for byte.
bool is_plain_text(std::string_view bytes);

}  // namespace tandem::components
