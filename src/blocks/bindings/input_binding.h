// What an input binding implements: events from outside, one after the other or several at once, for as long as
// somebody reads.
//
// Which app gets an event, and what its answer says, are BindingService's; a binding acknowledges an event to where it
// came from only once its handler has completed. Threads: read() and the end of a Reading on a thread that may wait;
// close() from the server's, once.
// Source: https://docs.dapr.io/reference/api/bindings_api/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"

namespace tandem::bindings {

struct Event {
  std::string data;
  Metadata metadata;
};

// Called by the binding for each event, on whatever thread it has; the completion may run later, on another. It gets
// what the app answered; a failure says that the app has not taken the event.
using EventHandler = std::function<void(Event, Completion<std::string>)>;

class InputBinding {
 public:
  virtual ~InputBinding() = default;

  // Delivers events to `handler` until the reading is destroyed; that waits for no delivery that is under way.
  class Reading {
   public:
    virtual ~Reading() = default;
  };
  // `app_id` is who reads: each app has a reading of its own.
  virtual Result<std::unique_ptr<Reading>> read(std::string app_id, EventHandler handler) = 0;
  virtual void close(SteadyTime deadline) {}
};

}  // namespace tandem::bindings
