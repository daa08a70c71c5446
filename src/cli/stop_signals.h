// StopSignals: what ends a run: SIGINT, SIGTERM, or a request from inside the process; and what has it read its
// resources again, SIGHUP. The second signal ends it at
// once, but not one that follows the first within kOneWish: a parent that passes a terminal's Ctrl-C on, or timeout(1),
// which signals the process and its group, mean one stop and send two signals.
//
// Made by `tandem run` on main's thread before any other thread starts, because it blocks the signals there and threads
// inherit that; one a process. A watching thread of its own takes them, so a signal works also while the server starts
// or stops: until expect_stop(), before there are connections, there is nothing to finish and the process exits at
// once, with 1. SIGPIPE is ignored
// from here on. make() fails with kInternal when the system gives no descriptors.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/completion.h"
#include "base/result.h"

namespace tandem::cli {

class StopSignals final {
 public:
  static constexpr std::chrono::milliseconds kOneWish{1000};

  static Result<std::unique_ptr<StopSignals>> make();
  // Before other threads go: a signal after this does nothing.
  ~StopSignals();

  // The server takes connections: the next signal asks for the orderly stop. `next_ends` runs once on the watching
  // thread, kOneWish after that signal: from then on a signal ends the process. The first call counts.
  void expect_stop(Task next_ends = [] {});
  // Blocks until a signal or request_stop(). `reload` runs on the calling thread after a SIGHUP, once for those that
  // come while it runs; without it SIGHUP does nothing.
  void wait(const std::function<void()>& reload = {});
  // Blocks no longer than that. True when a signal or request_stop() has come, which wait() then acts on.
  bool wait_for(std::chrono::milliseconds time);
  // Any thread, any number of times, also before expect_stop().
  void request_stop();
  // As a SIGHUP.
  void request_reload();

 private:
  class Impl;
  explicit StopSignals(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::cli
