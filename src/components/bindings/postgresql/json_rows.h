// Rows of a query as JSON, a list of lists: each value as Dapr's driver, pgx, and Go's JSON write it.
//
// Known are PostgreSQL's own types of numbers, texts, bytes, times, JSON, addresses, and arrays of them, in the binary
// format. Pure function; any thread. Fails with kInvalidArgument for a column of another type, for a number that JSON
// has not, and when there is more than `limit` bytes of it.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "components/postgresql/rows.h"

namespace tandem::components::postgresql {

Result<std::string> json_rows(const Rows& rows, std::size_t limit);

// One value of the type with this object id.
Result<std::string> json_value(unsigned type, std::string_view bytes);

}  // namespace tandem::components::postgresql
