// TripExpression: when a circuit breaker opens, as a comparison of its counts ("consecutiveFailures > 5").
//
// daprd takes any expression of CEL here. This takes what its documentation shows, and what follows from it: counts
// and whole numbers compared by < <= > >= == !=, joined by && and ||, with ! and parentheses. Anything else is refused,
// never guessed at. A plain value; any thread while nobody writes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tandem::config {

// Since the breaker's state last changed, or its interval began.
struct BreakerCounts {
  std::int64_t requests = 0;
  std::int64_t total_successes = 0;
  std::int64_t total_failures = 0;
  std::int64_t consecutive_successes = 0;
  std::int64_t consecutive_failures = 0;
};

class TripExpression final {
 public:
  static constexpr std::size_t kMaxBytes = 256;

  // daprd's default: consecutiveFailures > 5.
  TripExpression();
  // Fails with kInvalidArgument and what is wrong, without the expression itself.
  static Result<TripExpression> parse(std::string_view text);

  bool trips(const BreakerCounts& counts) const;

 private:
  friend class TripParser;

  using Count = std::int64_t BreakerCounts::*;
  struct Operand {
    Count count = nullptr;  // null: the number
    std::int64_t number = 0;
  };
  enum class Step { kLess, kLessEqual, kGreater, kGreaterEqual, kEqual, kNotEqual, kAnd, kOr, kNot };
  // In postfix order: a comparison pushes a truth value, the others take theirs from the stack.
  struct Instruction {
    Step step;
    Operand left;
    Operand right;
  };

  std::vector<Instruction> program_;
};

}  // namespace tandem::config
