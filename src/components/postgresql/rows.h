// Rows: what one statement gave back, in whichever of PostgreSQL's two formats it came. Owned by whoever asked; one
// thread at a time. Asking for a cell that is not there is a mistake of the caller's.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tandem::components::postgresql {

class Rows final {
 public:
  explicit Rows(PGresult* result) : result_(result) {}

  int columns() const { return PQnfields(result_.get()); }
  const char* name(int column) const { return PQfname(result_.get(), column); }
  unsigned type(int column) const { return PQftype(result_.get(), column); }  // an object id of pg_type
  // As it came, in whichever format; lives as long as the rows.
  std::string_view bytes(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }

  int size() const { return PQntuples(result_.get()); }
  // Rows that the statement inserted, changed or removed.
  std::int64_t affected() const;

  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  // Text, bytea and jsonb: the bytes themselves.
  std::string text(int row, int column) const;
  bool boolean(int row, int column) const;
  std::int64_t number(int row, int column) const;  // of a bigint

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace tandem::components::postgresql
