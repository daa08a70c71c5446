#include "components/catalog.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/bindings/cron/cron_binding.h"
#include "components/bindings/direction.h"
#include "components/bindings/http/http_binding.h"
#include "components/bindings/localstorage/local_storage.h"
#include "components/bindings/postgresql/postgresql_binding.h"
#include "components/bindings/redis/redis_binding.h"
#include "components/component_schemas.h"
#include "components/configuration/redis/redis_configuration_store.h"
#include "components/pubsub/in_memory/in_memory_broker.h"
#include "components/pubsub/redis/redis_broker.h"
#include "components/secretstores/local_env/local_env_secret_store.h"
#include "components/secretstores/local_file/local_file_secret_store.h"
#include "components/state/in_memory/in_memory_state_store.h"
#include "components/state/postgresql/postgresql_metadata.h"
#include "components/state/postgresql/postgresql_state_store.h"
#include "components/state/redis/redis_state_store.h"
#include "components/state/sqlite/sqlite_state_store.h"

namespace tandem::components {
namespace {

using config::Component;
using config::ComponentSchema;
using config::Diagnostics;
using config::FieldType;
using config::MetadataReader;
using config::SchemaField;

// What a factory gets: the checked metadata and where the component will live.
struct Making {
  const Component& component;
  const MetadataReader& metadata;
  const Surroundings& surroundings;
};

using StoreFactory = Result<std::unique_ptr<state::Store>> (*)(const Making&);
using BrokerFactory = Result<std::unique_ptr<pubsub::Broker>> (*)(const Making&);
using SecretFactory = Result<std::unique_ptr<secrets::Store>> (*)(const Making&);
using ConfigurationFactory = Result<std::unique_ptr<configuration::Store>> (*)(const Making&);

std::chrono::milliseconds milliseconds(const MetadataReader& metadata, std::string_view key) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(metadata.get_duration(key));
}

Result<std::unique_ptr<state::Store>> make_in_memory_store(const Making& making) {
  return std::make_unique<InMemoryStateStore>(making.surroundings.timers);
}

Result<std::unique_ptr<state::Store>> make_sqlite_store(const Making& making) {
  const MetadataReader& metadata = making.metadata;
  SqliteOptions options{.connection_string = metadata.get_string("connectionString"),
                        .timeout = milliseconds(metadata, "timeout"),
                        .busy_timeout = milliseconds(metadata, "busyTimeout"),
                        .disable_wal = metadata.get_bool("disableWAL"),
                        .table_name = metadata.get_string("tableName"),
                        .metadata_table_name = metadata.get_string("metadataTableName"),
                        .cleanup_interval = milliseconds(metadata, "cleanupInterval")};
  Result<std::unique_ptr<SqliteStateStore>> store = SqliteStateStore::open(
      options, [log = making.surroundings.log, name = making.component.name](const std::string& problem) {
        if (log != nullptr) log->warn("tandem.state.sqlite", problem, {{"component", name}});
      });
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

// Dapr's `initTimeout`: when the server must have answered.
SteadyTime init_deadline(const Making& making) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::milliseconds>(making.component.init_timeout);
}

// What a component does about things that are no reason to fail: a line in the log, with this scope.
std::function<void(const std::string&)> warner(const Making& making, std::string_view scope) {
  return [log = making.surroundings.log, scope, name = making.component.name](const std::string& problem) {
    if (log != nullptr) log->warn(scope, problem, {{"component", name}});
  };
}

// The log hears of connections that break, and of keys that mean nothing here.
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

Result<std::unique_ptr<state::Store>> make_redis_store(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisOptions> redis = read_redis_options(making.metadata);
  if (!redis) return fail(std::move(redis.error()));
  constexpr std::string_view kScope = "tandem.state.redis";
  watch_redis(making, kScope, idle_redis_keys(making.metadata), *redis);
  for (const char* key : {"redeliverInterval", "processingTimeout"}) {
    if (making.surroundings.log == nullptr || !making.metadata.has(key)) continue;
    making.surroundings.log->info(kScope, std::string(key) + " has no effect: it is for pub/sub",
                                  {{"component", making.component.name}});
  }
  RedisStateOptions options{.redis = std::move(*redis)};
  if (!making.metadata.get_string("ttlInSeconds").empty()) {
    options.ttl_seconds = making.metadata.get_int("ttlInSeconds");
  }
  Result<std::unique_ptr<RedisStateStore>> store =
      RedisStateStore::open(std::move(options), *making.surroundings.workers, init_deadline(making));
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

Result<std::unique_ptr<state::Store>> make_postgresql_store(const Making& making) {
  const Result<PostgresqlStateOptions> options =
      read_postgresql_state_options(making.metadata, making.component.version);
  if (!options) return fail(options.error());
  Result<std::unique_ptr<PostgresqlStateStore>> store = PostgresqlStateStore::open(
      *options, [log = making.surroundings.log, name = making.component.name](const std::string& problem) {
        if (log != nullptr) log->warn("tandem.state.postgresql", problem, {{"component", name}});
      });
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

Result<std::unique_ptr<secrets::Store>> make_local_env_secrets(const Making& making) {
  return std::make_unique<LocalEnvSecretStore>(making.metadata.get_string("prefix"),
                                               warner(making, "tandem.secretstores.local.env"));
}

Result<std::unique_ptr<secrets::Store>> make_local_file_secrets(const Making& making) {
  const MetadataReader& metadata = making.metadata;
  LocalFileSecretOptions options{.secrets_file = metadata.get_string("secretsFile"),
                                 .multi_valued = metadata.get_bool("multiValued"),
                                 .warn = warner(making, "tandem.secretstores.local.file")};
  if (std::string separator = metadata.get_string("nestedSeparator"); !separator.empty()) {
    options.nested_separator = std::move(separator);
  }
  Result<std::unique_ptr<LocalFileSecretStore>> store = LocalFileSecretStore::open(options);
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

Result<std::unique_ptr<configuration::Store>> make_redis_configuration(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisOptions> redis = read_redis_options(making.metadata);
  if (!redis) return fail(std::move(redis.error()));
  watch_redis(making, "tandem.configuration.redis", idle_redis_keys(making.metadata), *redis);
  Result<std::unique_ptr<RedisConfigurationStore>> store =
      RedisConfigurationStore::open(std::move(*redis), *making.surroundings.workers, init_deadline(making));
  if (!store) return fail(std::move(store.error()));
  return std::move(*store);
}

Result<std::unique_ptr<pubsub::Broker>> make_in_memory_broker(const Making& making) {
  const std::int64_t handlers = making.metadata.get_int("maxConcurrentHandlers", 1);
  if (handlers < 1 || handlers > 10'000) {
    return fail(Code::kInvalidArgument, "maxConcurrentHandlers: must be between 1 and 10000");
  }
  std::vector<TimedExecutor*> executors = {&making.surroundings.timers};
  if (net::Workers* workers = making.surroundings.workers; workers != nullptr) {
    executors.clear();
    for (std::size_t i = 0; i < workers->size(); ++i) executors.push_back(&(*workers)[i]);
  }
  return std::make_unique<InMemoryBroker>(
      std::move(executors), InMemoryBroker::Options{.max_concurrent_handlers = static_cast<std::size_t>(handlers)},
      making.surroundings.log);
}

using Input = std::unique_ptr<bindings::InputBinding>;
using Output = std::unique_ptr<bindings::OutputBinding>;
using InputFactory = Result<Input> (*)(const Making&);
using OutputFactory = Result<Output> (*)(const Making&);

Result<Input> make_cron_binding(const Making& making) {
  Result<std::unique_ptr<CronBinding>> binding =
      CronBinding::make(making.component.name, making.metadata.get_string("schedule"), making.surroundings.timers,
                        making.surroundings.log);
  if (!binding) return fail(std::move(binding.error()));
  return std::move(*binding);
}

Result<Output> make_http_binding(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<HttpBindingOptions> options = read_http_binding_options(making.metadata);
  if (!options) return fail(std::move(options.error()));
  return std::make_unique<HttpBinding>(std::move(*options), *making.surroundings.workers);
}

Result<Output> make_local_storage(const Making& making) {
  Result<std::unique_ptr<LocalStorage>> storage = LocalStorage::open(making.metadata.get_string("rootPath"));
  if (!storage) return fail(std::move(storage.error()));
  return std::move(*storage);
}

Result<Output> make_postgresql_binding(const Making& making) {
  Result<std::unique_ptr<PostgresqlBinding>> binding = PostgresqlBinding::open(
      making.metadata, init_deadline(making),
      [log = making.surroundings.log, name = making.component.name](const std::string& problem) {
        if (log != nullptr) log->warn("tandem.bindings.postgresql", problem, {{"component", name}});
      });
  if (!binding) return fail(std::move(binding.error()));
  return std::move(*binding);
}

Result<Output> make_redis_binding(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisOptions> redis = read_redis_options(making.metadata);
  if (!redis) return fail(std::move(redis.error()));
  watch_redis(making, "tandem.bindings.redis", idle_redis_keys(making.metadata), *redis);
  Result<std::unique_ptr<RedisBinding>> binding =
      RedisBinding::open(std::move(*redis), *making.surroundings.workers, init_deadline(making));
  if (!binding) return fail(std::move(binding.error()));
  return std::move(*binding);
}

constexpr std::string_view kRedisPubsubScope = "tandem.pubsub.redis";

Result<std::unique_ptr<pubsub::Broker>> make_redis_broker(const Making& making) {
  if (making.surroundings.workers == nullptr) return fail(Code::kFailedPrecondition, "there are no workers");
  Result<RedisStreamOptions> options = read_redis_stream_options(making.metadata);
  if (!options) return fail(std::move(options.error()));
  watch_redis(making, kRedisPubsubScope, idle_redis_keys(making.metadata), options->redis);
  RedisBroker::Warn warn;
  const std::string& name = making.component.name;
  if (const Logger* log = making.surroundings.log) {
    if (options->max_length > 0 && options->stream_ttl.count() > 0) {
      log->warn(kRedisPubsubScope, "streamTTL has no effect next to maxLenApprox: a stream is kept short in one way",
                {{"component", name}});
    }
    warn = [log, name](const std::string& problem, const std::string& topic) {
      log->warn(kRedisPubsubScope, problem, {{"component", name}, {"topic", topic}});
    };
  }
  Result<std::unique_ptr<RedisBroker>> broker =
      RedisBroker::open(std::move(*options), *making.surroundings.workers, std::hash<std::string>()(name),
                        std::move(warn), init_deadline(making));
  if (!broker) return fail(std::move(broker.error()));
  return std::move(*broker);
}

// The list: a line a component.
struct StoreLine {
  const EmbeddedSchema& schema;
  std::string_view type;
  StoreFactory make;
};
const StoreLine kStores[] = {
    {kInMemoryStateSchema, "state.in-memory", make_in_memory_store},
    {kPostgresqlStateV1Schema, "state.postgresql", make_postgresql_store},
    {kPostgresqlStateV2Schema, "state.postgresql", make_postgresql_store},
    {kRedisStateSchema, "state.redis", make_redis_store},
    {kSqliteStateSchema, "state.sqlite", make_sqlite_store},
};

struct BrokerLine {
  const EmbeddedSchema& schema;
  std::string_view type;
  BrokerFactory make;
};
const BrokerLine kBrokers[] = {
    {kInMemoryPubsubSchema, "pubsub.in-memory", make_in_memory_broker},
    {kRedisPubsubSchema, "pubsub.redis", make_redis_broker},
};

struct SecretLine {
  const EmbeddedSchema& schema;
  std::string_view type;
  SecretFactory make;
};
const SecretLine kSecretStores[] = {
    {kLocalEnvSecretsSchema, "secretstores.local.env", make_local_env_secrets},
    {kLocalFileSecretsSchema, "secretstores.local.file", make_local_file_secrets},
};

struct ConfigurationLine {
  const EmbeddedSchema& schema;
  std::string_view type;
  ConfigurationFactory make;
};
const ConfigurationLine kConfigurationStores[] = {
    {kRedisConfigurationSchema, "configuration.redis", make_redis_configuration},
};

struct BindingLine {
  const EmbeddedSchema& schema;
  std::string_view type;
  InputFactory input;    // null: it is no input binding
  OutputFactory output;  // null: it is no output binding
};
const BindingLine kBindings[] = {
    {kCronBindingSchema, "bindings.cron", make_cron_binding, nullptr},
    {kHttpBindingSchema, "bindings.http", nullptr, make_http_binding},
    {kLocalStorageBindingSchema, "bindings.localstorage", nullptr, make_local_storage},
    {kPostgresqlBindingSchema, "bindings.postgresql", nullptr, make_postgresql_binding},
    {kRedisBindingSchema, "bindings.redis", nullptr, make_redis_binding},
};

// Metadata that the runtime reads, whatever the component.
std::vector<SchemaField> runtime_fields(std::string_view block) {
  if (block == "state") {
    return {{.name = "keyPrefix",
             .description = "What stands before every key: appid, name, namespace, none or a word of your own.",
             .default_value = "appid"},
            {.name = "actorStateStore",
             .type = FieldType::kBool,
             .description = "Whether actors keep their state here.",
             .default_value = "false"},
            {.name = "primaryEncryptionKey",
             .sensitive = true,
             .description = "A secretKeyRef to an AES key in hexadecimal: values are encrypted with it."},
            {.name = "secondaryEncryptionKey",
             .sensitive = true,
             .description = "The primary key before the last rotation: values that it wrote can still be read."}};
  }
  if (block == "bindings") {
    return {
        {.name = "direction",
         .description = "input, output or both with a comma between: which parts are used, and that the app is not "
                        "asked whether it takes the events."},
        {.name = "route", .description = "The path of the app that gets the events; the component's name if not set."}};
  }
  if (block != "pubsub") return {};
  return {{.name = "allowedTopics", .description = "The topics that may be used at all, separated by commas."},
          {.name = "protectedTopics", .description = "Topics that only apps with a scope for them may use."},
          {.name = "publishingScopes", .description = "Which app may publish where: app1=topic1,topic2;app2=topic3."},
          {.name = "subscriptionScopes", .description = "Which app may subscribe where, in the same form."},
          {.name = "consumerID", .description = "The name of the consumer group; the app id when it is not set."}};
}

// Keys of the outbox, whose meaning would be lost silently: events that are not sent.
constexpr std::string_view kRefusedKeys[] = {"outboxPublishPubsub", "outboxPublishTopic", "outboxPubsub",
                                             "outboxDiscardWhenMissingState"};

bool refuse_keys(const Component& component, Diagnostics& diagnostics) {
  bool refused = false;
  for (const std::string_view key : kRefusedKeys) {
    const config::MetadataItem* item = component.find(key);
    if (item == nullptr) continue;
    diagnostics.error(component.position(*item), "component \"" + component.name + "\": metadata \"" +
                                                     std::string(key) +
                                                     "\" is not supported; remove it to go on without it");
    refused = true;
  }
  return refused;
}

void report_failure(const Component& component, const Error& error, Diagnostics& diagnostics) {
  diagnostics.error(component.position(),
                    "component \"" + component.name + "\" (" + component.type + "): " + error.message);
}

// Hands over what was made, or says why it was not.
template <class Made, class Take>
Status take(Result<Made> made, Take hand_over) {
  if (!made) return fail(std::move(made.error()));
  hand_over(std::move(*made));
  return {};
}

// A program of its own has one consumer group, which cannot be named after several apps.
Result<PluggableBroker> make_pluggable_broker(const Component& component, const MetadataReader& metadata,
                                              const Surroundings& surroundings) {
  if (surroundings.app_id.empty() && metadata.get_string("consumerID").empty()) {
    return fail(
        Code::kInvalidArgument,
        "several apps may use it, and a pluggable pub/sub has one consumer group: set consumerID, or scopes with "
        "one app");
  }
  return surroundings.pluggable->make_broker(component, surroundings.app_id);
}

Pluggable::Parts parts_of(const BindingDirection& direction) {
  if (direction.input && direction.output) return Pluggable::Parts::kBoth;
  return direction.input ? Pluggable::Parts::kInput : Pluggable::Parts::kOutput;
}

}  // namespace

Result<Catalog> Catalog::load() {
  Catalog catalog;
  std::vector<const EmbeddedSchema*> embedded;
  for (const StoreLine& line : kStores) embedded.push_back(&line.schema);
  for (const BrokerLine& line : kBrokers) embedded.push_back(&line.schema);
  for (const SecretLine& line : kSecretStores) embedded.push_back(&line.schema);
  for (const ConfigurationLine& line : kConfigurationStores) embedded.push_back(&line.schema);
  for (const BindingLine& line : kBindings) embedded.push_back(&line.schema);
  for (const EmbeddedSchema* text : embedded) {
    Result<ComponentSchema> schema = config::parse_component_schema(text->text, std::string(text->source));
    if (!schema) return fail(std::move(schema.error()));
    for (SchemaField& field : runtime_fields(schema->type)) schema->fields.push_back(std::move(field));
    catalog.schemas_.push_back(std::move(*schema));
  }
  std::ranges::sort(catalog.schemas_, {},
                    [](const ComponentSchema& schema) { return std::pair(schema.full_type(), schema.version); });
  return catalog;
}

const ComponentSchema* Catalog::find(std::string_view type, std::string_view version) const {
  const auto found = std::ranges::find_if(schemas_, [&](const ComponentSchema& schema) {
    return schema.full_type() == type && (version.empty() || schema.version == version);
  });
  return found == schemas_.end() ? nullptr : &*found;
}

std::optional<Catalog::Source> Catalog::find_or_report(const Component& component, std::string_view block,
                                                       const Surroundings& surroundings,
                                                       Diagnostics& diagnostics) const {
  const ComponentSchema* const built_in = find(component.type, component.version);
  const bool known = built_in != nullptr && built_in->type == block;
  if (surroundings.pluggable != nullptr) {
    const Result<bool> served = surroundings.pluggable->serves(component);
    if (served && *served) {
      Source source;
      source.pluggable = {.type = std::string(block), .name = component.type.substr(component.type.find('.') + 1)};
      source.pluggable.fields = runtime_fields(block);
      source.pluggable.keys = ComponentSchema::Keys::kOpen;
      return source;
    }
    if (!served && !known) {
      report_failure(component, served.error(), diagnostics);
      return std::nullopt;
    }
    if (!served) {
      diagnostics.warning(component.position(), "component \"" + component.name + "\": the built-in " + component.type +
                                                    " is used; " + served.error().message);
    }
  }
  if (known) return Source{.built_in = built_in};
  std::string names;
  for (const ComponentSchema& schema : schemas_) {
    if (schema.type != block) continue;
    names += (names.empty() ? "" : ", ") + schema.full_type() + "/" + schema.version;
  }
  std::string missing = "component \"" + component.name + "\": there is no " + component.type + "/" +
                        component.version + "; built in: " + names;
  if (surroundings.pluggable != nullptr) {
    missing += "; no socket in " + surroundings.pluggable->folder() + " serves it either";
  }
  diagnostics.error(component.position(), std::move(missing));
  return std::nullopt;
}

std::optional<state::StoreEntry> Catalog::make_store(const Component& component, const Surroundings& surroundings,
                                                     Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "state", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (refuse_keys(component, diagnostics) || diagnostics.error_count() > errors) return std::nullopt;

  const Result<state::KeyPrefixChoice> prefix = state::parse_key_prefix(metadata.get_string("keyPrefix"));
  if (!prefix) {
    report_failure(component, prefix.error(), diagnostics);
    return std::nullopt;
  }
  state::StoreEntry entry{
      .name = component.name, .prefix = prefix->prefix, .custom_prefix = prefix->custom, .scopes = component.scopes};
  Status made;
  if (source->built_in == nullptr) {
    made = take(surroundings.pluggable->make_store(component), [&](PluggableStore store) {
      entry.store = std::move(store.store);
      entry.capabilities = std::move(store.features);
    });
  } else {
    const StoreLine& line = *std::ranges::find(kStores, source->built_in->full_type(), &StoreLine::type);
    made = take(line.make({component, metadata, surroundings}), [&](auto store) { entry.store = std::move(store); });
  }
  if (!made) {
    report_failure(component, made.error(), diagnostics);
    return std::nullopt;
  }
  return entry;
}

std::optional<pubsub::BrokerEntry> Catalog::make_broker(const Component& component, const Surroundings& surroundings,
                                                        Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "pubsub", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;

  pubsub::BrokerEntry entry{
      .name = component.name, .scopes = component.scopes, .topic_scopes = pubsub::parse_topic_scopes(metadata.all())};
  Status made;
  if (source->built_in == nullptr) {
    made = take(make_pluggable_broker(component, metadata, surroundings), [&](PluggableBroker broker) {
      entry.broker = std::move(broker.broker);
      entry.capabilities = std::move(broker.features);
    });
  } else {
    const BrokerLine& line = *std::ranges::find(kBrokers, source->built_in->full_type(), &BrokerLine::type);
    made = take(line.make({component, metadata, surroundings}), [&](auto broker) { entry.broker = std::move(broker); });
  }
  if (!made) {
    report_failure(component, made.error(), diagnostics);
    return std::nullopt;
  }
  return entry;
}

std::optional<bindings::BindingEntry> Catalog::make_binding(const Component& component,
                                                            const Surroundings& surroundings,
                                                            Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "bindings", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;

  const BindingDirection direction = parse_direction(metadata.get_string("direction"));
  bindings::BindingEntry entry{.name = component.name,
                               .route = metadata.get_string("route"),
                               .reader = direction.reader,
                               .scopes = component.scopes};
  Status made;
  if (source->built_in == nullptr) {
    if (direction.input || direction.output) {
      made = take(surroundings.pluggable->make_binding(component, parts_of(direction)), [&](PluggableBinding parts) {
        entry.input = std::move(parts.input);
        entry.output = std::move(parts.output);
      });
    }
  } else {
    const BindingLine& line = *std::ranges::find(kBindings, source->built_in->full_type(), &BindingLine::type);
    const Making making{component, metadata, surroundings};
    if (line.input != nullptr && direction.input) {
      made = take(line.input(making), [&](Input input) { entry.input = std::move(input); });
    }
    if (made && line.output != nullptr && direction.output) {
      made = take(line.output(making), [&](Output output) { entry.output = std::move(output); });
    }
  }
  if (!made) {
    report_failure(component, made.error(), diagnostics);
    return std::nullopt;
  }
  if (entry.input == nullptr && entry.output == nullptr) {
    diagnostics.warning(component.position(), "component \"" + component.name + "\" (" + component.type +
                                                  "): its direction leaves nothing of it to use");
  }
  return entry;
}

std::optional<secrets::StoreEntry> Catalog::make_secret_store(const Component& component,
                                                              const Surroundings& surroundings,
                                                              Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "secretstores", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;
  Result<std::unique_ptr<secrets::Store>> store;
  if (source->built_in == nullptr) {
    store = surroundings.pluggable->make_secret_store(component);
  } else {
    const SecretLine& line = *std::ranges::find(kSecretStores, source->built_in->full_type(), &SecretLine::type);
    store = line.make({component, metadata, surroundings});
  }
  if (!store) {
    report_failure(component, store.error(), diagnostics);
    return std::nullopt;
  }
  return secrets::StoreEntry{.name = component.name, .store = std::move(*store), .scopes = component.scopes};
}

std::optional<configuration::StoreEntry> Catalog::make_configuration_store(const Component& component,
                                                                           const Surroundings& surroundings,
                                                                           Diagnostics& diagnostics) const {
  const auto source = find_or_report(component, "configuration", surroundings, diagnostics);
  if (!source) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const MetadataReader metadata = config::check(component, source->schema(), diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;
  const ConfigurationLine& line =
      *std::ranges::find(kConfigurationStores, source->built_in->full_type(), &ConfigurationLine::type);
  Result<std::unique_ptr<configuration::Store>> store = line.make({component, metadata, surroundings});
  if (!store) {
    report_failure(component, store.error(), diagnostics);
    return std::nullopt;
  }
  return configuration::StoreEntry{.name = component.name, .store = std::move(*store), .scopes = component.scopes};
}

}  // namespace tandem::components
