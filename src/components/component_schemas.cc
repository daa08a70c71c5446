#include "components/component_schemas.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

namespace tandem::components {

// ccache does not see what #embed reads and would give back a stale object after a change of the YAML. It leaves alone
// every file with this word in it.
extern const char kNotForCcache[] = " .incbin \"\"";

namespace {

constexpr char kRedisConfigurationText[] = {
#embed "configuration/redis/metadata.yaml"
    , '\0'};
constexpr char kLocalEnvSecretsText[] = {
#embed "secretstores/local_env/metadata.yaml"
    , '\0'};
constexpr char kLocalFileSecretsText[] = {
#embed "secretstores/local_file/metadata.yaml"
    , '\0'};
constexpr char kInMemoryStateText[] = {
#embed "state/in_memory/metadata.yaml"
    , '\0'};
constexpr char kPostgresqlStateV1Text[] = {
#embed "state/postgresql/v1/metadata.yaml"
    , '\0'};
constexpr char kPostgresqlStateV2Text[] = {
#embed "state/postgresql/v2/metadata.yaml"
    , '\0'};
constexpr char kRedisStateText[] = {
#embed "state/redis/metadata.yaml"
    , '\0'};
constexpr char kSqliteStateText[] = {
#embed "state/sqlite/metadata.yaml"
    , '\0'};
constexpr char kCronBindingText[] = {
#embed "bindings/cron/metadata.yaml"
    , '\0'};
constexpr char kHttpBindingText[] = {
#embed "bindings/http/metadata.yaml"
    , '\0'};
constexpr char kKafkaBindingText[] = {
#embed "bindings/kafka/metadata.yaml"
    , '\0'};
constexpr char kLocalStorageBindingText[] = {
#embed "bindings/localstorage/metadata.yaml"
    , '\0'};
constexpr char kPostgresqlBindingText[] = {
#embed "bindings/postgresql/metadata.yaml"
    , '\0'};
constexpr char kRedisBindingText[] = {
#embed "bindings/redis/metadata.yaml"
    , '\0'};
constexpr char kInMemoryPubsubText[] = {
#embed "pubsub/in_memory/metadata.yaml"
    , '\0'};
constexpr char kKafkaPubsubText[] = {
#embed "pubsub/kafka/metadata.yaml"
    , '\0'};
constexpr char kRedisPubsubText[] = {
#embed "pubsub/redis/metadata.yaml"
    , '\0'};

}  // namespace

constexpr EmbeddedSchema kRedisConfigurationSchema{"src/components/configuration/redis/metadata.yaml",
                                                   kRedisConfigurationText};
constexpr EmbeddedSchema kLocalEnvSecretsSchema{"src/components/secretstores/local_env/metadata.yaml",
                                                kLocalEnvSecretsText};
constexpr EmbeddedSchema kLocalFileSecretsSchema{"src/components/secretstores/local_file/metadata.yaml",
                                                 kLocalFileSecretsText};
constexpr EmbeddedSchema kInMemoryStateSchema{"src/components/state/in_memory/metadata.yaml", kInMemoryStateText};
constexpr EmbeddedSchema kPostgresqlStateV1Schema{"src/components/state/postgresql/v1/metadata.yaml",
                                                  kPostgresqlStateV1Text};
constexpr EmbeddedSchema kPostgresqlStateV2Schema{"src/components/state/postgresql/v2/metadata.yaml",
                                                  kPostgresqlStateV2Text};
constexpr EmbeddedSchema kRedisStateSchema{"src/components/state/redis/metadata.yaml", kRedisStateText};
constexpr EmbeddedSchema kSqliteStateSchema{"src/components/state/sqlite/metadata.yaml", kSqliteStateText};
constexpr EmbeddedSchema kCronBindingSchema{"src/components/bindings/cron/metadata.yaml", kCronBindingText};
constexpr EmbeddedSchema kHttpBindingSchema{"src/components/bindings/http/metadata.yaml", kHttpBindingText};
constexpr EmbeddedSchema kKafkaBindingSchema{"src/components/bindings/kafka/metadata.yaml", kKafkaBindingText};
constexpr EmbeddedSchema kLocalStorageBindingSchema{"src/components/bindings/localstorage/metadata.yaml",
                                                    kLocalStorageBindingText};
constexpr EmbeddedSchema kPostgresqlBindingSchema{"src/components/bindings/postgresql/metadata.yaml",
                                                  kPostgresqlBindingText};
constexpr EmbeddedSchema kRedisBindingSchema{"src/components/bindings/redis/metadata.yaml", kRedisBindingText};
constexpr EmbeddedSchema kInMemoryPubsubSchema{"src/components/pubsub/in_memory/metadata.yaml", kInMemoryPubsubText};
constexpr EmbeddedSchema kKafkaPubsubSchema{"src/components/pubsub/kafka/metadata.yaml", kKafkaPubsubText};
constexpr EmbeddedSchema kRedisPubsubSchema{"src/components/pubsub/redis/metadata.yaml", kRedisPubsubText};

}  // namespace tandem::components
