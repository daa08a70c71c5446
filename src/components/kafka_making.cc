#include "components/kafka_making.h"

#include <functional>
#include <string>
#include <utility>

#include "base/log.h"
#include "components/kafka/kafka_options.h"

namespace tandem::components {

Result<std::unique_ptr<kafka::KafkaClient>> make_kafka_client(const Making& making, std::string_view scope,
                                                              kafka::RetryDefault retry_by_default) {
  net::Workers* const workers = making.surroundings.workers;
  if (workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<kafka::KafkaOptions> options = kafka::read_kafka_options(making.metadata, retry_by_default);
  if (!options) return fail(std::move(options.error()));
  const std::string& name = making.component.name;
  kafka::KafkaConsumer::Warn warn;
  if (const Logger* log = making.surroundings.log) {
    for (const std::string& idle : kafka::idle_kafka_keys(making.metadata))
      log->info(scope, idle, {{"component", name}});
    warn = [log, scope, name](const std::string& problem, const std::string& topic) {
      if (topic.empty()) return log->warn(scope, problem, {{"component", name}});
      log->warn(scope, problem, {{"component", name}, {"topic", topic}});
    };
  }
  return kafka::KafkaClient::open(std::move(*options), (*workers)[std::hash<std::string>()(name) % workers->size()],
                                  std::move(warn), init_deadline(making));
}

}  // namespace tandem::components
