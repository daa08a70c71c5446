#include "components/state/sqlite/statements.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/base64.h"
#include "base/uuid.h"

namespace tandem::components {
namespace {

using state::Concurrency;

// DATETIME of a null modifier is null: no expiry.
constexpr std::string_view kExpiry = "DATETIME(CURRENT_TIMESTAMP, ?5)";
constexpr std::string_view kAlive = "(expiration_time IS NULL OR expiration_time > CURRENT_TIMESTAMP)";

// A value as it stands in a row.
class RowValue final {
 public:
  explicit RowValue(const SharedBytes& value) {
    const std::string_view bytes = value != nullptr ? std::string_view(*value) : std::string_view();
    binary_ = !is_plain_text(bytes);
    if (binary_) encoded_ = base64_encode(bytes);
    text_ = binary_ ? std::string_view(encoded_) : bytes;
  }
  RowValue(const RowValue&) = delete;
  RowValue& operator=(const RowValue&) = delete;

  std::string_view text() const { return text_; }
  std::int64_t is_binary() const { return binary_ ? 1 : 0; }

 private:
  bool binary_ = false;
  std::string encoded_;
  std::string_view text_;
};

bool is_continuation(unsigned char c) { return (c & 0xc0) == 0x80; }

// How many bytes the UTF-8 character at `at` has; 0: none is there.
std::size_t character_length(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned char {
    return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0;
  };
  const unsigned char first = byte(0);
  if (first >= 0xc2 && first <= 0xdf) return is_continuation(byte(1)) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return !overlong && !surrogate && is_continuation(byte(1)) && is_continuation(byte(2)) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool beyond = first == 0xf4 && byte(1) >= 0x90;
    return !overlong && !beyond && is_continuation(byte(1)) && is_continuation(byte(2)) && is_continuation(byte(3)) ? 4
                                                                                                                    : 0;
  }
  return 0;
}

bool has_etag(const std::optional<std::string>& etag) { return etag && !etag->empty(); }

Status prepare_into(Database& database, Statement& statement, const std::string& sql) {
  Result<Statement> prepared = database.prepare(sql);
  if (!prepared) return fail(std::move(prepared.error()));
  statement = std::move(*prepared);
  return {};
}

Status finish(Statement& statement) {
  const Result<bool> row = statement.step();
  if (!row) return fail(row.error());
  return {};
}

}  // namespace

bool is_plain_text(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto c = static_cast<unsigned char>(bytes[at]);
    if (c == 0) return false;
    const std::size_t length = c < 0x80 ? 1 : character_length(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

Result<ReadStatements> ReadStatements::prepare(Database& database, const std::string& table) {
  Result<Statement> get =
      database.prepare("SELECT value, is_binary, etag, CAST(strftime('%s', expiration_time) AS INTEGER) FROM " + table +
                       " WHERE key = ?1 AND " + std::string(kAlive));
  if (!get) return fail(std::move(get.error()));
  // ?2 ends the range of the prefix; null: nothing does.
  Result<Statement> list =
      database.prepare("SELECT key FROM " + table + " WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) AND key > ?3 AND " +
                       std::string(kAlive) + " ORDER BY key LIMIT ?4 OFFSET ?5");
  if (!list) return fail(std::move(list.error()));
  return ReadStatements(std::move(*get), std::move(*list));
}

Result<std::vector<std::string>> ReadStatements::list(const state::ListRequest& request) {
  StatementUse use(list_);
  list_.bind(1, request.prefix);
  std::string end = request.prefix;
  if (end.empty()) {
    list_.bind_null(2);
  } else {
    ++end.back();  // UTF-8 has no byte 255
    list_.bind(2, end);
  }
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  list_.bind(3, request.after);
  list_.bind(4, static_cast<std::int64_t>(std::min(request.limit, kMost)));
  list_.bind(5, static_cast<std::int64_t>(std::min(request.skip, kMost)));
  std::vector<std::string> keys;
  for (;;) {
    const Result<bool> row = list_.step();
    if (!row) return fail(row.error());
    if (!*row) return keys;
    keys.emplace_back(list_.text(0));
  }
}

Result<state::GetResponse> ReadStatements::get(std::string_view key) {
  StatementUse use(get_);
  get_.bind(1, key);
  const Result<bool> row = get_.step();
  if (!row) return fail(row.error());
  state::GetResponse response;
  if (!*row) return response;
  if (get_.number(1) != 0) {
    Result<std::string> bytes = base64_decode(get_.text(0));
    if (!bytes) return fail(Code::kDataLoss, "failed to decode binary data: " + bytes.error().message);
    response.data = share(std::move(*bytes));
  } else {
    response.data = share(std::string(get_.text(0)));
  }
  response.etag = get_.text(2);
  if (!get_.is_null(3)) response.expires_at_ms = get_.number(3) * 1000;
  return response;
}

Result<WriteStatements> WriteStatements::prepare(Database& database, const std::string& table,
                                                 const std::string& metadata_table) {
  const std::string alive(kAlive);
  const std::string expiry(kExpiry);
  const std::string columns = " (key, value, is_binary, etag, update_time, expiration_time) ";
  const std::string values = "?1, ?2, ?3, ?4, CURRENT_TIMESTAMP, " + expiry;
  WriteStatements all(database);
  const std::pair<Statement*, std::string> wanted[] = {
      {&all.set_, "INSERT OR REPLACE INTO " + table + columns + "VALUES (" + values + ")"},
      {&all.set_first_, "INSERT OR REPLACE INTO " + table + columns + "SELECT " + values +
                            " WHERE NOT EXISTS (SELECT 1 FROM " + table + " WHERE key = ?1 AND " + alive + ")"},
      {&all.set_matching_, "UPDATE " + table +
                               " SET value = ?2, is_binary = ?3, etag = ?4, update_time = CURRENT_TIMESTAMP, "
                               "expiration_time = " +
                               expiry + " WHERE key = ?1 AND etag = ?6 AND " + alive},
      {&all.remove_, "DELETE FROM " + table + " WHERE key = ?1"},
      {&all.remove_matching_, "DELETE FROM " + table + " WHERE key = ?1 AND etag = ?2"},
      {&all.remove_expired_,
       "DELETE FROM " + table + " WHERE rowid IN (SELECT rowid FROM " + table +
           " WHERE expiration_time IS NOT NULL AND expiration_time < CURRENT_TIMESTAMP LIMIT ?1)"},
      {&all.claim_cleanup_, "INSERT INTO " + metadata_table +
                                " (key, value) VALUES ('last-cleanup', CURRENT_TIMESTAMP) ON CONFLICT (key) DO UPDATE "
                                "SET value = CURRENT_TIMESTAMP WHERE (CAST(strftime('%s', CURRENT_TIMESTAMP) AS "
                                "INTEGER) - CAST(strftime('%s', value) AS INTEGER)) * 1000 > ?1"},
  };
  for (const auto& [statement, sql] : wanted) {
    if (Status status = prepare_into(database, *statement, sql); !status) return fail(std::move(status.error()));
  }
  return all;
}

Status WriteStatements::set(const state::SetRequest& request) {
  const bool matching = has_etag(request.etag);
  const bool first = !matching && request.concurrency == Concurrency::kFirstWrite;
  Statement& statement = matching ? set_matching_ : first ? set_first_ : set_;
  StatementUse use(statement);
  const RowValue value(request.value);
  const std::string etag = random_uuid();
  std::string modifier;
  statement.bind(1, request.key);
  statement.bind(2, value.text());
  statement.bind(3, value.is_binary());
  statement.bind(4, etag);
  if (request.ttl_seconds.value_or(0) > 0) {
    modifier = "+" + std::to_string(*request.ttl_seconds) + " seconds";
    statement.bind(5, modifier);
  }
  if (matching) statement.bind(6, *request.etag);
  if (Status status = finish(statement); !status) return status;
  if ((matching || first) && database_->changes() == 0) return fail(state::etag_mismatch(""));
  return {};
}

Status WriteStatements::remove(const state::DeleteRequest& request) {
  const bool matching = has_etag(request.etag);
  Statement& statement = matching ? remove_matching_ : remove_;
  StatementUse use(statement);
  statement.bind(1, request.key);
  if (matching) statement.bind(2, *request.etag);
  if (Status status = finish(statement); !status) return status;
  if (matching && database_->changes() == 0) return fail(state::etag_mismatch(""));
  return {};
}

Result<std::int64_t> WriteStatements::remove_expired(std::int64_t limit) {
  StatementUse use(remove_expired_);
  remove_expired_.bind(1, limit);
  if (Status status = finish(remove_expired_); !status) return fail(std::move(status.error()));
  return database_->changes();
}

Result<bool> WriteStatements::claim_cleanup(std::int64_t interval_ms) {
  StatementUse use(claim_cleanup_);
  claim_cleanup_.bind(1, interval_ms);
  if (Status status = finish(claim_cleanup_); !status) return fail(std::move(status.error()));
  return database_->changes() > 0;
}

}  // namespace tandem::components
