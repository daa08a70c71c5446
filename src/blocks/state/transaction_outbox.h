// What a transaction passes before its store: the outbox, which sends the events of it.
//
// StateService asks it, once the operations have their store's keys. Any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/completion.h"
#include "blocks/state/state_store.h"

namespace tandem {
class Executor;
}

namespace tandem::state {

struct Caller;

class TransactionOutbox {
 public:
  virtual ~TransactionOutbox() = default;
  virtual bool takes(std::string_view store) const = 0;
  // What the store gets in the place of `operations`. Completes in place or on the caller's executor; fails with the
  // bare cause.
  virtual void prepare(const Caller& caller, std::string_view store, std::vector<Operation> operations,
                       Completion<std::vector<Operation>> done) = 0;
};

}  // namespace tandem::state
