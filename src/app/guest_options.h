// How one app's guest is run: how many copies, how long, how much. Read once at start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/app_file.h"
#include "host/guest_caller.h"
#include "host/guest_exports.h"

namespace tandem::app {

struct GuestOptions {
  std::string app_id;
  host::GuestExports exports;  // of the module that it begins with
  host::GuestSettings settings;
  config::Isolation isolation = config::Isolation::kInstance;
  std::size_t min_instances = 0;    // kept although idle, in the whole process
  std::size_t max_instances = 256;  // alive at once, in the whole process
  // An instance that has answered so many calls, lived so long or grown so large is replaced by a fresh one.
  std::uint64_t instance_max_requests = 1'000'000;
  std::chrono::seconds instance_max_age{3600};
  std::uint64_t instance_retire_bytes = 192ull << 20;
  std::size_t instance_max_handles = 10'000;  // wasi handles that the guest has not given back
  std::chrono::seconds idle_timeout{60};      // an idle instance above min_instances goes after this
  std::chrono::milliseconds request_timeout{60'000};
  std::size_t max_queue = 1024;  // calls of a worker that wait for an instance; more are answered 503

  std::string health_path = "/healthz";  // what a probe of its health asks for

  // The port of its Dapr HTTP API: calls to it on a loopback name never leave the process. 0: it has none.
  std::uint16_t dapr_http_port = 0;
};

// What happens in a pool, for metrics. Called on the workers, several at once; no-op defaults.
class GuestObserver {
 public:
  virtual ~GuestObserver() = default;
  enum class End { kAnswered, kUnanswered, kTrapped, kDeadline, kRejected };
  virtual void call_ended(End, std::chrono::nanoseconds) noexcept {}
  virtual void instance_made() noexcept {}
  virtual void instance_gone() noexcept {}
};

}  // namespace tandem::app
