#include "component_server.h"

#include <cstdlib>

#include "components/kafka/testing/kafka_server.h"
#include "components/postgresql/testing/postgresql_server.h"
#include "components/redis/testing/redis_server.h"

namespace tandem::conformance {
namespace {

class Postgresql final : public ComponentServer {
 public:
  Postgresql() { ::setenv("TANDEM_TEST_POSTGRESQL", server_.connection_string().c_str(), 1); }

 private:
  components::postgresql::PostgresqlServer server_;
};

class Kafka final : public ComponentServer {
 public:
  Kafka() {
    const auto& server = components::kafka::KafkaServer::of_this_process(TANDEM_SOURCE_DIR);
    ::setenv("TANDEM_TEST_KAFKA", server.address().c_str(), 1);
  }
};

class Redis final : public ComponentServer {
 public:
  Redis() { ::setenv("TANDEM_TEST_REDIS_PORT", std::to_string(server_.port()).c_str(), 1); }

 private:
  components::RedisServer server_;
};

}  // namespace

std::unique_ptr<ComponentServer> start_server_for(const std::string& folder) {
  ::setenv("TANDEM_TEST_STATE_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1);
  if (folder.starts_with("state/postgresql/")) return std::make_unique<Postgresql>();
  if (folder.ends_with("/kafka")) return std::make_unique<Kafka>();
  if (folder.ends_with("/redis")) return std::make_unique<Redis>();
  return nullptr;
}

}  // namespace tandem::conformance
