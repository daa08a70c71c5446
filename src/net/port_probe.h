// Whether somebody listens on a TCP port: connects and closes.
//
// On the worker's thread, `done` too: success, or kUnavailable, kDeadlineExceeded and what was tried. The worker
// outlives the probe; nothing is left behind when `done` has run.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/completion.h"
#include "net/worker.h"

namespace tandem::net {

// `host`: a name or an IP address. All of its addresses are tried, within `limit` together.
void probe_port(Worker& worker, std::string host, std::uint16_t port, std::chrono::milliseconds limit,
                Completion<void> done);

}  // namespace tandem::net
