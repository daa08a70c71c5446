#include "components/state/sqlite/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace tandem::components {
namespace {

Code code_of(int status) {
  switch (status & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM: return Code::kResourceExhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: return Code::kFailedPrecondition;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::kDataLoss;
    default: return Code::kInternal;
  }
}

Error error_of(sqlite3* handle, const std::string& location) {
  const int status = sqlite3_extended_errcode(handle);
  std::string message = "SQLite database \"" + location + "\": " + sqlite3_errmsg(handle);
  if ((status & 0xff) == SQLITE_IOERR) message += " (code " + std::to_string(status) + ")";
  // SQLite keeps the number of the last failed call of the operating system; it means something only for these.
  const int cause = sqlite3_system_errno(handle);
  if (((status & 0xff) == SQLITE_IOERR || (status & 0xff) == SQLITE_CANTOPEN) && cause != 0) {
    message += ": " + std::system_category().message(cause);
  }
  return make_error(code_of(status), std::move(message));
}

// What to tell a user whose file cannot be opened, beyond SQLite's own words.
std::string opening_advice(const DatabaseFile& file) {
  if (file.uri || file.location == ":memory:" || !file.vfs.empty()) return {};
  std::error_code ignored;
  const std::filesystem::path path(file.location);
  if (std::filesystem::is_directory(path, ignored)) return "; it is a folder";
  const std::filesystem::path folder = path.parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) {
    return "; the folder \"" + folder.string() + "\" does not exist";
  }
  return {};
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(handle_, other.handle_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() != nullptr ? text.data() : "";
  sqlite3_bind_text64(handle_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::bind(int parameter, std::int64_t number) { sqlite3_bind_int64(handle_, parameter, number); }

void Statement::bind_null(int parameter) { sqlite3_bind_null(handle_, parameter); }

Result<bool> Statement::step() {
  const int status = sqlite3_step(handle_);
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) return false;
  return fail(database_->last_error());
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(handle_, column); }

bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

void Statement::reset() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

Result<std::unique_ptr<Database>> Database::open(const DatabaseFile& file, std::chrono::milliseconds busy_timeout) {
  int flags =
      SQLITE_OPEN_NOMUTEX | (file.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (file.uri) flags |= SQLITE_OPEN_URI;
  sqlite3* handle = nullptr;
  const int status =
      sqlite3_open_v2(file.location.c_str(), &handle, flags, file.vfs.empty() ? nullptr : file.vfs.c_str());
  if (handle == nullptr) return fail(Code::kResourceExhausted, "SQLite: out of memory");
  std::unique_ptr<Database> database(new Database(handle, file.location));
  if (status != SQLITE_OK) {
    Error error = database->last_error();
    error.message += opening_advice(file);
    return fail(std::move(error));
  }
  sqlite3_extended_result_codes(handle, 1);
  if (busy_timeout.count() > 0) sqlite3_busy_timeout(handle, static_cast<int>(busy_timeout.count()));
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Status Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return fail(last_error());
  return {};
}

Result<Statement> Database::prepare(const std::string& sql) const {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &handle,
                         nullptr) != SQLITE_OK) {
    return fail(last_error());
  }
  return Statement(*this, handle);
}

Result<std::optional<std::string>> Database::query_text(const std::string& sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return fail(std::move(statement.error()));
  const Result<bool> row = statement->step();
  if (!row) return fail(row.error());
  if (!*row) return std::nullopt;
  return std::string(statement->text(0));
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Error Database::last_error() const { return error_of(handle_, location_); }

}  // namespace tandem::components
