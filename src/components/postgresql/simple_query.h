// Statements as one text with the values in it, for poolers and proxies that know PostgreSQL's simple protocol only.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>

#include "components/postgresql/batch.h"

namespace tandem::components::postgresql {

// PostgreSQL runs the whole text as one transaction. `connection` tells how it wants literals; none: a value is not
// valid in its encoding, and the connection says why. The connection's thread.
std::optional<std::string> simple_query(PGconn* connection, const Batch& batch);

}  // namespace tandem::components::postgresql
