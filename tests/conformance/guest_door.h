// The guest's door: apps that are the test guest conformance_calls, run by the real engine over the blocks under test.
//
// Made and destroyed by the test's thread, after and before everything that its guests use. call() may be made from any
// thread but the workers'.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "app/guest_app.h"
#include "base/log.h"
#include "engine/runtime.h"
#include "host/guest_caller.h"
#include "net/worker.h"

namespace tandem::conformance {

class GuestDoor final {
 public:
  // Why no guest runs in this build; empty: they do.
  static std::string missing();

  // An app has so many instances, and with several of them its calls run on two workers at once. Null after a failed
  // expectation.
  static std::unique_ptr<GuestDoor> make(std::size_t instances);
  ~GuestDoor();
  GuestDoor(const GuestDoor&) = delete;
  GuestDoor& operator=(const GuestDoor&) = delete;

  // The app of that id, made when it is asked for the first time, over `services`.
  app::GuestApp& app(const std::string& app_id, host::HostServices& services);
  // A function of the guest, by its name in tests/guests/conformance_calls: what it returned, or the failed call.
  Result<std::string> call(app::GuestApp& app, std::string_view function, std::string arguments);

  net::Workers& workers() { return workers_; }

 private:
  explicit GuestDoor(std::size_t instances);
  Status load(std::string_view module);

  const std::size_t instances_;  // of an app
  const Logger log_;
  app::GuestObserver observer_;
  net::Workers workers_;
  std::vector<std::unique_ptr<app::PollGate>> gates_;
  std::unique_ptr<engine::Runtime> runtime_;
  std::unique_ptr<engine::Module> module_;
  std::atomic<std::size_t> calls_{0};
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<app::GuestApp>> apps_;
};

}  // namespace tandem::conformance
