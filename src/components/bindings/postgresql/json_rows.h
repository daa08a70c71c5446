// Rows of a query as JSON, a list of lists: each value as Dapr's driver, pgx, and Go's JSON write it.
//
// Known are PostgreSQL's own types of numbers, texts, bytes, times, JSON, addresses, and arrays of them, in the binary
// format. One thread at a time. Fails with kInvalidArgument for a column of another type, for a number that JSON
// has not, and when there is more than `limit` bytes of it.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "components/postgresql/rows.h"

namespace tandem::components::postgresql {

// Rows that come one after the other.
class JsonRows final {
 public:
  explicit JsonRows(std::size_t limit) : limit_(limit) {}

  // Fails when there is too much. A value that cannot be written is finish()'s failure: what comes after it is not
  // looked at, and whoever asks may let the statement end.
  Status add(const Rows& rows);
  Result<std::string> finish();

 private:
  const std::size_t limit_;
  std::string json_ = "[";
  Status good_;
};

// One value of the type with this object id.
Result<std::string> json_value(unsigned type, std::string_view bytes);

}  // namespace tandem::components::postgresql
