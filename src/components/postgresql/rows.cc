#include "components/postgresql/rows.h"

#include <cstdlib>
#include <string_view>

#include "components/postgresql/statement.h"

namespace tandem::components::postgresql {

std::int64_t Rows::affected() const { return std::strtoll(PQcmdTuples(result_.get()), nullptr, 10); }

std::string Rows::text(int row, int column) const {
  const PGresult* result = result_.get();
  const std::string_view bytes(PQgetvalue(result, row, column),
                               static_cast<std::size_t>(PQgetlength(result, row, column)));
  const auto type = static_cast<Type>(PQftype(result, column));
  const bool binary = PQfformat(result, column) == 1;
  // A version number stands before binary jsonb.
  if (binary && type == Type::kJsonb && !bytes.empty()) return std::string(bytes.substr(1));
  if (binary || type != Type::kBytea) return std::string(bytes);
  std::size_t length = 0;
  unsigned char* const plain = PQunescapeBytea(reinterpret_cast<const unsigned char*>(bytes.data()), &length);
  if (plain == nullptr) return {};
  std::string text(reinterpret_cast<const char*>(plain), length);
  PQfreemem(plain);
  return text;
}

bool Rows::boolean(int row, int column) const {
  const char* bytes = PQgetvalue(result_.get(), row, column);
  return PQfformat(result_.get(), column) == 1 ? bytes[0] != 0 : bytes[0] == 't';
}

std::int64_t Rows::number(int row, int column) const {
  const char* bytes = PQgetvalue(result_.get(), row, column);
  if (PQfformat(result_.get(), column) != 1) return std::strtoll(bytes, nullptr, 10);
  std::uint64_t number = 0;
  for (int i = 0; i < PQgetlength(result_.get(), row, column); ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return static_cast<std::int64_t>(number);
}

std::string array_literal(const std::vector<std::string>& items) {
  std::string text = "{";
  for (const std::string& item : items) {
    text += text.size() > 1 ? ",\"" : "\"";
    for (const char c : item) {
      if (c == '"' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
    text.push_back('"');
  }
  text.push_back('}');
  return text;
}

}  // namespace tandem::components::postgresql
