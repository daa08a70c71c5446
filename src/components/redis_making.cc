#include "components/redis_making.h"

#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace tandem::components {

void watch_redis(const Making& making, std::string_view scope, std::vector<std::string> idle_keys,
                 RedisOptions& options) {
  const Logger* log = making.surroundings.log;
  if (log == nullptr) return;
  const std::string& name = making.component.name;
  options.warn = [log, scope, name](const std::string& problem) { log->warn(scope, problem, {{"component", name}}); };
  for (const std::string& key : idle_keys) {
    log->info(scope, key + " has no effect: the commands of a worker share one connection", {{"component", name}});
  }
}

}  // namespace tandem::components
