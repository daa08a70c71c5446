// The metadata.yaml of every component, embedded when the program is built. Constant; any thread.
#pragma once

#include <string_view>

namespace tandem::components {

struct EmbeddedSchema {
  std::string_view source;  // where the text is in the source tree, for messages
  std::string_view text;
};

extern const EmbeddedSchema kRedisConfigurationSchema;
extern const EmbeddedSchema kLocalEnvSecretsSchema;
extern const EmbeddedSchema kLocalFileSecretsSchema;
extern const EmbeddedSchema kInMemoryStateSchema;
extern const EmbeddedSchema kPostgresqlStateV1Schema;
extern const EmbeddedSchema kPostgresqlStateV2Schema;
extern const EmbeddedSchema kRedisStateSchema;
extern const EmbeddedSchema kSqliteStateSchema;
extern const EmbeddedSchema kInMemoryPubsubSchema;
extern const EmbeddedSchema kKafkaPubsubSchema;
extern const EmbeddedSchema kRedisPubsubSchema;
extern const EmbeddedSchema kCronBindingSchema;
extern const EmbeddedSchema kHttpBindingSchema;
extern const EmbeddedSchema kKafkaBindingSchema;
extern const EmbeddedSchema kLocalStorageBindingSchema;
extern const EmbeddedSchema kPostgresqlBindingSchema;
extern const EmbeddedSchema kRedisBindingSchema;

}  // namespace tandem::components
