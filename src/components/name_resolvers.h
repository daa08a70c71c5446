// The name resolver that a Configuration asks for (spec.nameResolution), mDNS where it asks for none.
//
// Called by the server at start, on its own thread. Fails with one sentence that names the component: Dapr's other ones
// are not supported.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "blocks/invoke/name_resolver.h"
#include "config/configuration.h"
#include "net/worker.h"

namespace tandem::components {

struct ResolverParts {
  net::Workers& workers;
  const Logger& log;
  // DAPR_HOST_IP: what apps are announced with that listen on all addresses; empty: those of each interface.
  std::string host_address;
};

Result<std::unique_ptr<invoke::NameResolver>> make_name_resolver(const std::optional<config::NameResolution>& wanted,
                                                                 const ResolverParts& parts);

}  // namespace tandem::components
