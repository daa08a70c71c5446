// Links into an app all that its guests may import beyond WASI: tandem:dapr, wasi:keyvalue, wasi:config and messaging;
// and names the exports by which events come to them (guest_exports.h).
//
// Called once for a linker, before its programs are made, from any thread. The tables behind it are constants; who
// calls and on which services is the GuestCaller behind each instance's `user`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tandem_wit.h"

namespace tandem::host {

// What wasi:config answers, in order; the last of a name counts. Copied.
using GuestConfig = std::vector<std::pair<std::string, std::string>>;

// Fails with kInternal when the linker has one of the interfaces already.
Status link_host_interfaces(tdm_linker* linker, const GuestConfig& config);

}  // namespace tandem::host
