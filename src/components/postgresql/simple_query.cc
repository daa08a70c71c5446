#include "components/postgresql/simple_query.h"

#include <string_view>

namespace tandem::components::postgresql {
namespace {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kUnsaid: return "unknown";  // as a literal without a type is
    case Type::kBool: return "boolean";
    case Type::kBytea: return "bytea";
    case Type::kInt8: return "bigint";
    case Type::kText: return "text";
    case Type::kXid: return "xid";
    case Type::kTextArray: return "text[]";
    case Type::kUuid: return "uuid";
    case Type::kJsonb: return "jsonb";
  }
  return "text";
}

std::optional<std::string> literal(PGconn* connection, const Value& value, Type type) {
  std::string text = "NULL";
  if (value && type == Type::kBytea) {
    std::size_t length = 0;
    unsigned char* const escaped =
        PQescapeByteaConn(connection, reinterpret_cast<const unsigned char*>(value->data()), value->size(), &length);
    if (escaped == nullptr) return std::nullopt;
    text = "'" + std::string(reinterpret_cast<const char*>(escaped)) + "'";
    PQfreemem(escaped);
  } else if (value) {
    char* const escaped = PQescapeLiteral(connection, value->data(), value->size());
    if (escaped == nullptr) return std::nullopt;
    text = escaped;
    PQfreemem(escaped);
  }
  return text.append("::").append(type_name(type));
}

}  // namespace

std::optional<std::string> simple_query(PGconn* connection, const Batch& batch) {
  std::string query;
  for (const Statement& statement : batch.statements) {
    const std::string& sql = statement.text->sql;
    if (!query.empty()) query += ";\n";
    for (std::size_t at = 0; at < sql.size(); ++at) {
      std::size_t number = 0;
      std::size_t end = at + 1;
      while (sql[at] == '$' && end < sql.size() && sql[end] >= '0' && sql[end] <= '9') {
        number = number * 10 + static_cast<std::size_t>(sql[end++] - '0');
      }
      if (number == 0 || number > statement.values.size()) {
        query.push_back(sql[at]);
        continue;
      }
      const std::optional<std::string> value =
          literal(connection, statement.values[number - 1], statement.text->types[number - 1]);
      if (!value) return std::nullopt;
      query += *value;
      at = end - 1;
    }
  }
  return query;
}

}  // namespace tandem::components::postgresql
