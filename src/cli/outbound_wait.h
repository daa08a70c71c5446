// `tandem daprd --wait`: waits until the sidecar at an HTTP port of this machine can call out (GET
// /v1.0/healthz/outbound is 204), for whatever is started after it.
//
// Main's thread, which it blocks; no longer than its limits. Source: daprd's WaitUntilDaprOutboundReady.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

namespace tandem::cli {

struct WaitLimits {
  std::chrono::milliseconds whole{60'000};
  std::chrono::milliseconds request{500};
  std::chrono::milliseconds pause{100};  // between two requests
};

// False: it was not ready in time. `say` is given each line that daprd prints, without its end.
bool wait_until_outbound_ready(std::uint16_t port, const std::function<void(std::string_view)>& say,
                               const WaitLimits& limits = {});

}  // namespace tandem::cli
