// What every component on Redis says in the log about its connection: one place for the four blocks that have one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "components/built_in.h"
#include "components/redis/redis_options.h"

namespace tandem::components {

// The log hears of connections that break, and of keys that mean nothing here. `scope` is a literal.
void watch_redis(const Making& making, std::string_view scope, std::vector<std::string> idle_keys,
                 RedisOptions& options);

}  // namespace tandem::components
