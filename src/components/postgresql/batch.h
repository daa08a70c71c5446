// Batch: statements that PostgreSQL runs as one transaction, and what came of them. Plain values, moved about.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "components/postgresql/rows.h"
#include "components/postgresql/statement.h"

namespace tandem::components::postgresql {

enum class Effect {
  kReads,   // sent again, once, when its connection breaks
  kWrites,  // never sent again once it may have been executed
};

// A long one gets a connection that others do not have to wait for.
enum class Pace { kQuick, kLong };

// A row as it comes. A failure cancels the statement, and is the batch's.
using RowTaker = std::function<Status(const Rows& row)>;

struct Batch {
  std::vector<Statement> statements;
  Effect effect = Effect::kWrites;
  Pace pace = Pace::kQuick;
  // For a batch of one statement without a name, and not in QueryMode::kSimple: its rows go here one by one, on the
  // client's thread, and the outcome has none of them. Once it has given one it is not sent again.
  RowTaker each_row = nullptr;
};

struct Failure {
  // kUnavailable (no connection, or it broke), kDeadlineExceeded, kResourceExhausted, kInternal (the server refuses).
  Error error;
  std::string sqlstate;       // the server's code, empty when it did not answer
  std::size_t statement = 0;  // which one of the batch
};

// All succeeded and are committed, with the rows of each; or a failure, and nothing has come to stay, except that a
// write that lost its connection or ran out of time may have been done.
struct Outcome {
  std::vector<Rows> rows;
  std::optional<Failure> failure;
};

using BatchDone = std::move_only_function<void(Outcome)>;

}  // namespace tandem::components::postgresql
