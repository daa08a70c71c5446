// Where components live: what they get of the process that makes them.
//
// The server makes it; it and all that it names outlive every component. See net/worker.h for who may call what.
#pragma once

#include <string>

#include "base/executor.h"
#include "base/log.h"
#include "components/pluggable.h"
#include "net/worker.h"

namespace tandem::components {

// What components need of the process. All of it outlives every component.
struct Surroundings {
  TimedExecutor& timers;
  const Logger* log = nullptr;
  // Whose loops hold the connections of components with servers of their own; they are refused where it is null.
  net::Workers* workers = nullptr;
  // Components in programs of their own; null: there are none.
  const Pluggable* pluggable = nullptr;
  // The one app that may use the component; empty: several may.
  std::string app_id;
};

}  // namespace tandem::components
