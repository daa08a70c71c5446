// Version 1: every value is jsonb, bytes in base64; the ETag is the number of the transaction that wrote the row
// (xmin).

#include <charconv>
#include <cstdint>
#include <utility>

#include "base/base64.h"
#include "components/state/postgresql/statement_layout.h"

namespace tandem::components {
namespace {

using postgresql::Statement;
using postgresql::StatementText;
using postgresql::Type;
using postgresql::Value;

constexpr std::string_view kExpiry = "CURRENT_TIMESTAMP + $4::bigint * interval '1 second'";

Result<std::string> check(const std::string& etag) {
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(etag.data(), etag.data() + etag.size(), number);
  if (failure != std::errc() || end != etag.data() + etag.size()) {
    const std::string_view why = failure == std::errc::result_out_of_range ? "value out of range" : "invalid syntax";
    return fail(state::etag_invalid("strconv.ParseUint: parsing \"" + etag + "\": " + std::string(why)));
  }
  return std::to_string(number);
}

class LayoutV1 final : public StatementLayout {
 public:
  explicit LayoutV1(const PostgresqlTables& tables) {
    const std::string& table = tables.state;
    const std::string select =
        "SELECT key, value, isbinary, xmin::text, (extract(epoch FROM expiredate) * 1000)::bigint FROM " + table;
    const std::string alive = " AND (expiredate IS NULL OR expiredate >= CURRENT_TIMESTAMP)";
    get_ = {"state_get", select + " WHERE key = $1" + alive, {Type::kText}};
    get_all_ = {"state_get_all", select + " WHERE key = ANY($1)" + alive, {Type::kTextArray}};
    list_ = list_text(table, alive);

    const std::vector<Type> types = {Type::kText, Type::kJsonb, Type::kBool, Type::kInt8};
    const std::string expiry(kExpiry);
    const std::string insert = "INSERT INTO " + table +
                               " AS t (key, value, isbinary, expiredate) VALUES ($1, $2, $3, " + expiry +
                               ") ON CONFLICT (key) DO UPDATE SET value = excluded.value, isbinary = "
                               "excluded.isbinary, updatedate = CURRENT_TIMESTAMP, expiredate = excluded.expiredate";
    put({"state_set", insert, types}, set_);
    // An expired row that was not removed yet does not count.
    put({"state_set_first", insert + " WHERE t.expiredate IS NOT NULL AND t.expiredate < CURRENT_TIMESTAMP", types},
        set_first_);
    std::vector<Type> with_etag = types;
    with_etag.push_back(Type::kXid);
    put({"state_set_matching",
         "UPDATE " + table + " SET value = $2, isbinary = $3, updatedate = CURRENT_TIMESTAMP, expiredate = " + expiry +
             " WHERE key = $1 AND xmin = $5 AND (expiredate IS NULL OR expiredate > CURRENT_TIMESTAMP)",
         with_etag},
        set_matching_);
    put({"state_remove", "DELETE FROM " + table + " WHERE key = $1", {Type::kText}}, remove_);
    put({"state_remove_matching", "DELETE FROM " + table + " WHERE key = $1 AND xmin = $2", {Type::kText, Type::kXid}},
        remove_matching_);

    migrate_ = {"state_migrate", migration_sql(tables, "migrations", levels(table)), {}};
    claim_ = {"state_claim_cleanup",
              "INSERT INTO " + tables.metadata +
                  " AS m (key, value) VALUES ('last-cleanup', now()::text) ON CONFLICT (key) DO UPDATE SET value = "
                  "now()::text WHERE (extract(epoch FROM now() - m.value::timestamptz) * 1000)::bigint > $1",
              {Type::kInt8}};
    remove_expired_ = {
        "state_remove_expired", "DELETE FROM " + table + " WHERE expiredate IS NOT NULL AND expiredate < now()", {}};
  }

  Result<state::GetResponse> read(const postgresql::Rows& rows, int row) const override {
    state::GetResponse response;
    std::string value = rows.text(row, 1);
    if (rows.boolean(row, 2)) {
      // A JSON string of base64, which has nothing to escape.
      if (value.size() < 2 || value.front() != '"' || value.back() != '"') {
        return fail(Code::kDataLoss, "failed to unmarshal JSON data: a binary value must be a string");
      }
      Result<std::string> bytes = base64_decode(std::string_view(value).substr(1, value.size() - 2));
      if (!bytes) return fail(Code::kDataLoss, "failed to decode base64 data: " + bytes.error().message);
      value = std::move(*bytes);
    }
    response.data = share(std::move(value));
    response.etag = rows.text(row, 3);
    if (!rows.is_null(row, 4)) response.expires_at_ms = rows.number(row, 4);
    return response;
  }

  Statement claim_cleanup(std::int64_t interval_ms) const override { return {&claim_, {std::to_string(interval_ms)}}; }

 private:
  std::vector<Value> values_of(const state::SetRequest& request) const override {
    const bool binary = request.form == state::ValueForm::kBytes;
    const std::string_view bytes = request.value != nullptr ? std::string_view(*request.value) : std::string_view();
    return {binary ? "\"" + base64_encode(bytes) + "\"" : std::string(bytes), binary ? "true" : "false",
            expiry_of(request)};
  }
  Result<std::string> checked_etag(const std::string& etag) const override { return check(etag); }

  static std::vector<std::string> levels(const std::string& table) {
    return {"    CREATE TABLE IF NOT EXISTS " + table +
                " (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT NULL, insertdate "
                "timestamptz NOT NULL DEFAULT now(), updatedate timestamptz NULL);\n",
            "    ALTER TABLE " + table + " ADD expiredate timestamptz;\n", number_rows_sql(table, "insertdate")};
  }
};

}  // namespace

std::unique_ptr<PostgresqlLayout> make_postgresql_layout_v1(const PostgresqlTables& tables) {
  return std::make_unique<LayoutV1>(tables);
}

}  // namespace tandem::components
