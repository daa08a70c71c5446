// FdWatch: waits on a worker's loop for a file descriptor that a foreign library owns (libpq, a broker's client).
//
// Made and used on the worker's thread; the user of the library owns it. It watches a duplicate, so the library may
// close its descriptor at any time; open a new watch when the library has changed it. Destruction is allowed on the
// worker's thread or once the worker has stopped, and drops the waits under way: their completions are destroyed unrun.
#pragma once

#include <memory>

#include "base/call_context.h"
#include "base/completion.h"
#include "net/worker.h"

namespace tandem::net {

class FdWatch final {
 public:
  // Fails when `fd` is none, or the process is out of descriptors.
  static Result<std::unique_ptr<FdWatch>> open(Worker& worker, int fd);
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch();

  // Completes once, later, on the worker: success when the descriptor is ready or has failed (its owner's next call
  // says which), kDeadlineExceeded at `deadline` or up to two ticks of the worker's wheel later. One wait a direction:
  // a new one takes the place of the one before, whose completion is destroyed unrun.
  void wait_readable(SteadyTime deadline, Completion<void> done);
  void wait_writable(SteadyTime deadline, Completion<void> done);

 private:
  struct State;
  explicit FdWatch(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace tandem::net
