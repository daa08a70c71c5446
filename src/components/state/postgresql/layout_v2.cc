// Version 2: values are bytes as they came; the ETag is a random UUID.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/text.h"
#include "components/state/postgresql/statement_layout.h"

namespace tandem::components {
namespace {

using postgresql::Statement;
using postgresql::StatementText;
using postgresql::Type;
using postgresql::Value;

constexpr std::string_view kExpiry = "now() + $3::bigint * interval '1 second'";

// In the forms that Dapr takes: plain, without dashes, in braces, as a URN. Anything else matches no row.
Result<std::string> check(const std::string& etag) {
  std::string_view text(etag);
  if (text.size() == 38) text = text.substr(1, 36);
  if (text.size() == 45) text.remove_prefix(9);
  const bool dashed = text.size() == 36;
  if (!dashed && text.size() != 32) {
    return fail(state::etag_mismatch("invalid UUID length: " + std::to_string(etag.size())));
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = dashed && (i == 8 || i == 13 || i == 18 || i == 23);
    if (dash ? text[i] != '-' : hex_digit(text[i]) < 0) return fail(state::etag_mismatch("invalid UUID format"));
  }
  return std::string(text);
}

class LayoutV2 final : public StatementLayout {
 public:
  explicit LayoutV2(const PostgresqlTables& tables) {
    const std::string& table = tables.state;
    const std::string select =
        "SELECT key, value, etag::text, (extract(epoch FROM expires_at) * 1000)::bigint FROM " + table;
    const std::string alive = " AND (expires_at IS NULL OR expires_at >= now())";
    get_ = {"state_get", select + " WHERE key = $1" + alive, {Type::kText}};
    get_all_ = {"state_get_all", select + " WHERE key = ANY($1)" + alive, {Type::kTextArray}};
    list_ = list_text(table, alive);

    const std::vector<Type> types = {Type::kText, Type::kBytea, Type::kInt8};
    const std::string expiry(kExpiry);
    const std::string insert = "INSERT INTO " + table +
                               " AS t (key, value, etag, expires_at) VALUES ($1, $2, gen_random_uuid(), " + expiry +
                               ") ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now(), etag = "
                               "gen_random_uuid(), expires_at = excluded.expires_at";
    put({"state_set", insert, types}, set_);
    // An expired row that was not removed yet does not count.
    put({"state_set_first", insert + " WHERE t.expires_at IS NOT NULL AND t.expires_at < now()", types}, set_first_);
    std::vector<Type> with_etag = types;
    with_etag.push_back(Type::kUuid);
    put({"state_set_matching",
         "UPDATE " + table + " SET value = $2, updated_at = now(), etag = gen_random_uuid(), expires_at = " + expiry +
             " WHERE key = $1 AND etag = $4" + alive,
         with_etag},
        set_matching_);
    put({"state_remove", "DELETE FROM " + table + " WHERE key = $1", {Type::kText}}, remove_);
    put({"state_remove_matching", "DELETE FROM " + table + " WHERE key = $1 AND etag = $2", {Type::kText, Type::kUuid}},
        remove_matching_);

    migrate_ = {"state_migrate", migration_sql(tables, "migrations-state-v2-" + tables.prefix, levels(table)), {}};
    claim_ = {"state_claim_cleanup",
              "INSERT INTO " + tables.metadata +
                  " AS m (key, value) VALUES ($2, now()::text) ON CONFLICT (key) DO UPDATE SET value = now()::text "
                  "WHERE (extract(epoch FROM now() - m.value::timestamptz) * 1000)::bigint > $1",
              {Type::kInt8, Type::kText}};
    cleanup_key_ = "last-cleanup-state-v2-" + tables.prefix;
    remove_expired_ = {
        "state_remove_expired", "DELETE FROM " + table + " WHERE expires_at IS NOT NULL AND expires_at < now()", {}};
  }

  Result<state::GetResponse> read(const postgresql::Rows& rows, int row) const override {
    state::GetResponse response{.data = share(rows.text(row, 1)), .etag = rows.text(row, 2)};
    if (!rows.is_null(row, 3)) response.expires_at_ms = rows.number(row, 3);
    return response;
  }

  Statement claim_cleanup(std::int64_t interval_ms) const override {
    return {&claim_, {std::to_string(interval_ms), cleanup_key_}};
  }

 private:
  std::vector<Value> values_of(const state::SetRequest& request) const override {
    return {request.value != nullptr ? *request.value : std::string(), expiry_of(request)};
  }
  Result<std::string> checked_etag(const std::string& etag) const override { return check(etag); }

  static std::vector<std::string> levels(const std::string& table) {
    return {"    CREATE TABLE IF NOT EXISTS " + table +
                " (key text NOT NULL PRIMARY KEY, value bytea NOT NULL, etag uuid NOT NULL DEFAULT gen_random_uuid(), "
                "created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz, expires_at timestamptz);\n"
                "    CREATE INDEX ON " +
                table + " (expires_at);\n",
            number_rows_sql(table, "created_at")};
  }

  std::string cleanup_key_;
};

}  // namespace

std::unique_ptr<PostgresqlLayout> make_postgresql_layout_v2(const PostgresqlTables& tables) {
  return std::make_unique<LayoutV2>(tables);
}

}  // namespace tandem::components
