// Statements for a Client: their text, which a component writes once, and the values of one use. Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tandem::components::postgresql {

// Object ids of PostgreSQL's own types, which never change (pg_type.dat).
enum class Type : unsigned {
  kUnsaid = 0,  // the server finds out what it must be
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kText = 25,
  kXid = 28,
  kTextArray = 1009,
  kUuid = 2950,
  kJsonb = 3802,
};

// One statement with $1, $2 … It outlives the clients that run it, or the Statement owns it. `name` is unique in a
// component; one without a name is never prepared.
struct StatementText {
  std::string name;
  std::string sql;
  std::vector<Type> types;  // of $1, $2 …
};

// A value for a parameter: bytes for kBytea and kText, PostgreSQL's text form for any other type; none is NULL.
using Value = std::optional<std::string>;

struct Statement {
  const StatementText* text;
  std::vector<Value> values;
  std::shared_ptr<const StatementText> owned = nullptr;  // `text`, where it is for this use alone
};

// PostgreSQL's text form of an array of texts.
std::string array_literal(const std::vector<std::string>& items);

}  // namespace tandem::components::postgresql
