#include "components/built_in.h"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/log.h"

namespace tandem::components {

SteadyTime init_deadline(const Making& making) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::milliseconds>(making.component.init_timeout);
}

std::function<void(const std::string&)> warner(const Making& making, std::string_view scope) {
  return [log = making.surroundings.log, scope, name = making.component.name](const std::string& problem) {
    if (log != nullptr) log->warn(scope, problem, {{"component", name}});
  };
}

}  // namespace tandem::components
