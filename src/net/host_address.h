// The address and the name of this machine, as it tells them to others.
//
// Plain functions, any thread, never throw; empty when there is none.
#pragma once

#include <string>

namespace tandem::net {

// The one from which the machine reaches the world; no packet is sent to find it out.
std::string host_address();
std::string host_name();

}  // namespace tandem::net
