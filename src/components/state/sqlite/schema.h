// The tables of state.sqlite: the very ones of Dapr's component, so that a file of daprd's opens here and the other way
// round. Called while a store opens, on its opener's thread; may wait for another process that migrates.
#pragma once

#include <memory>

#include "base/result.h"
#include "components/state/sqlite/database.h"
#include "components/state/sqlite/sqlite_options.h"

namespace tandem::components {

// Opens a connection and sets journal, durability and the user's pragmas. An acknowledged commit survives a power cut.
Result<std::unique_ptr<Database>> open_writer(const SqliteOptions& options, const SqliteTarget& target);
// Opens a connection that cannot write.
Result<std::unique_ptr<Database>> open_reader(const SqliteOptions& options, const SqliteTarget& target);

// Creates or migrates the tables, in one transaction.
Status migrate(Database& database, const SqliteOptions& options);

}  // namespace tandem::components
