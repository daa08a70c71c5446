#include "components/kafka/kafka_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "config/duration.h"

namespace tandem::components::kafka {
namespace {

using config::MetadataReader;
using std::chrono::milliseconds;

constexpr std::int64_t kMaxBytes = 1'000'000'000;  // of a message, or of one answer to a fetch
constexpr std::int64_t kMaxBuffered = 100'000;
constexpr milliseconds kLongest{std::chrono::hours(24)};

std::unexpected<Error> wrong(std::string_view key, std::string_view why) {
  return fail(Code::kInvalidArgument, fmt::format("{}: {}", key, why));
}

std::unexpected<Error> unsupported(std::string_view what, std::string_view instead) {
  return fail(Code::kUnimplemented, fmt::format("{} is not supported{}", what, instead));
}

bool is_pem(std::string_view text) {
  return text.find("-----BEGIN ") != std::string_view::npos && text.find("-----END ") != std::string_view::npos;
}

Status read_count(const MetadataReader& metadata, std::string_view key, std::int64_t most, std::int64_t& into) {
  if (metadata.get_string(key).empty()) return {};
  into = metadata.get_int(key, into);
  if (into < 1 || into > most) return wrong(key, fmt::format("must be between 1 and {}", most));
  return {};
}

Status read_duration(const MetadataReader& metadata, std::string_view key, milliseconds least, milliseconds& into) {
  if (metadata.get_string(key).empty()) return {};
  into = std::chrono::duration_cast<milliseconds>(metadata.get_duration(key));
  if (into < least || into > kLongest) {
    return wrong(key, fmt::format("must be between {}ms and 24h", least.count()));
  }
  return {};
}

// daprd before 1.0 asked `authRequired`; what it meant still counts where authType is not there.
Result<std::string> read_auth_type(const MetadataReader& metadata) {
  std::string type = to_lower(metadata.get_string("authType"));
  if (!type.empty()) return type;
  const std::string required = metadata.get_string("authRequired");
  if (required.empty()) return wrong("authType", "is missing: none, password, mtls or certificate");
  if (!config::is_truthy(required)) return std::string("none");
  return std::string(metadata.get_string("saslPassword").empty() ? "mtls" : "password");
}

Status read_password(const MetadataReader& metadata, KafkaOptions& options) {
  options.sasl_username = metadata.get_string("saslUsername");
  options.sasl_password = metadata.get_string("saslPassword");
  for (const auto& [key, value] :
       {std::pair("saslUsername", &options.sasl_username), std::pair("saslPassword", &options.sasl_password)}) {
    if (value->empty()) return wrong(key, "is missing, authType password needs it");
  }
  const std::string mechanism = metadata.get_string("saslMechanism");
  if (mechanism == "SHA-256") {
    options.sasl_mechanism = "SCRAM-SHA-256";
  } else {
    options.sasl_mechanism = mechanism == "SHA-512" ? "SCRAM-SHA-512" : "PLAIN";
  }
  return {};
}

Status read_mtls(const MetadataReader& metadata, KafkaOptions& options) {
  options.client_cert = metadata.get_string("clientCert");
  options.client_key = metadata.get_string("clientKey");
  for (const auto& [key, value] :
       {std::pair("clientCert", &options.client_cert), std::pair("clientKey", &options.client_key)}) {
    if (!is_pem(*value)) return wrong(key, "is no PEM, authType mtls needs it");
  }
  if (!options.tls) return wrong("disableTls", "cannot be true with authType mtls");
  return {};
}

Status read_security(const MetadataReader& metadata, KafkaOptions& options) {
  const Result<std::string> type = read_auth_type(metadata);
  if (!type) return fail(type.error());
  options.tls = *type != "none" && !metadata.get_bool("disableTls");
  options.skip_verify = metadata.get_bool("skipVerify");
  options.ca_cert = metadata.get_string("caCert");
  if (!options.ca_cert.empty() && !is_pem(options.ca_cert)) return wrong("caCert", "is no PEM");
  if (*type == "none") return {};
  if (*type == "password") return read_password(metadata, options);
  if (*type == "mtls") return read_mtls(metadata, options);
  if (*type == "certificate") {
    return options.ca_cert.empty() ? wrong("caCert", "is missing, authType certificate needs it") : Status{};
  }
  if (*type == "oidc" || *type == "oidc_private_key_jwt" || *type == "awsiam") {
    return unsupported("authType " + *type, ": none, password, mtls and certificate are");
  }
  return wrong("authType", "must be one of none, password, mtls, certificate");
}

// A number is milliseconds.
Status read_back_off(const MetadataReader& metadata, std::string_view key, milliseconds& into) {
  const std::string text = metadata.get_string(key);
  if (text.empty()) return {};
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc() && end == text.data() + text.size()) {
    into = milliseconds(number);
  } else {
    const Result<std::chrono::nanoseconds> duration = config::parse_duration(text);
    if (!duration) return wrong(key, "must be a duration such as 500ms, or a number of milliseconds");
    into = std::chrono::duration_cast<milliseconds>(*duration);
  }
  if (into.count() < 0 || into > kLongest) return wrong(key, "must be between 0 and 24h");
  return {};
}

Status read_retry(const MetadataReader& metadata, RetryDefault by_default, RetryOptions& retry) {
  retry.enabled = by_default == RetryDefault::kOn;
  if (const std::string said = metadata.get_string("consumeRetryEnabled"); !said.empty()) {
    retry.enabled = config::is_truthy(said);
  }
  const std::string policy = to_lower(metadata.get_string("backOffPolicy"));
  if (policy == "exponential") {
    retry.policy = RetryOptions::Policy::kExponential;
  } else if (!policy.empty() && policy != "constant") {
    return wrong("backOffPolicy", "must be constant or exponential");
  }
  for (const auto& [key, into] :
       {std::pair("backOffDuration", &retry.duration), std::pair("backOffInitialInterval", &retry.initial_interval),
        std::pair("backOffMaxInterval", &retry.max_interval), std::pair("backOffMaxElapsedTime", &retry.max_elapsed)}) {
    if (Status status = read_back_off(metadata, key, *into); !status) return status;
  }
  retry.max_retries = metadata.get_int("backOffMaxRetries", retry.max_retries);
  retry.multiplier = metadata.get_double("backOffMultiplier", retry.multiplier);
  if (retry.multiplier < 1) return wrong("backOffMultiplier", "must not be below 1");
  retry.randomization_factor = metadata.get_double("backOffRandomizationFactor", retry.randomization_factor);
  if (retry.randomization_factor < 0 || retry.randomization_factor > 1) {
    return wrong("backOffRandomizationFactor", "must be between 0 and 1");
  }
  return {};
}

Status refuse_schema_registry(const MetadataReader& metadata) {
  for (const std::string_view key : {"schemaRegistryURL", "schemaRegistryAPIKey", "schemaRegistryAPISecret"}) {
    if (!metadata.get_string(key).empty()) {
      return unsupported(key, ": a schema registry is not asked, and messages travel as they are");
    }
  }
  if (metadata.get_bool("useAvroJSON")) return unsupported("useAvroJSON", ": messages travel as they are");
  return {};
}

Status read_version(const MetadataReader& metadata) {
  const std::string version = metadata.get_string("version");
  const bool fits = version.find_first_not_of("0123456789.") == std::string::npos && !version.starts_with('.') &&
                    !version.ends_with('.');
  return fits ? Status{} : wrong("version", "is no version of Kafka such as 2.0.0");
}

}  // namespace

Result<KafkaOptions> read_kafka_options(const MetadataReader& metadata, RetryDefault retry_by_default) {
  KafkaOptions options{.brokers = metadata.get_string("brokers"),
                       .consumer_group = metadata.get_string("consumerGroup"),
                       .client_id = metadata.get_string("clientID"),
                       .escape_headers = metadata.get_bool("escapeHeaders"),
                       .excluded_headers = metadata.get_string("excludeHeaderMetaRegex")};
  if (trim(options.brokers).empty()) return wrong("brokers", "is empty");
  if (options.consumer_group.empty()) options.consumer_group = metadata.get_string("consumerID");
  if (options.client_id.empty()) options.client_id = "tandem";
  Status status = refuse_schema_registry(metadata);
  if (status) status = read_version(metadata);
  if (status) status = read_security(metadata, options);
  if (status) status = read_retry(metadata, retry_by_default, options.retry);
  std::int64_t buffered = static_cast<std::int64_t>(options.buffered_messages);
  for (const auto& [key, most, into] : {std::tuple("maxMessageBytes", kMaxBytes, &options.max_message_bytes),
                                        std::tuple("consumerFetchMin", kMaxBytes, &options.fetch_min_bytes),
                                        std::tuple("consumerFetchDefault", kMaxBytes, &options.fetch_bytes),
                                        std::tuple("channelBufferSize", kMaxBuffered, &buffered)}) {
    if (status) status = read_count(metadata, key, most, *into);
  }
  options.buffered_messages = static_cast<std::size_t>(buffered);
  for (const auto& [key, into] :
       {std::pair("heartbeatInterval", &options.heartbeat_interval),
        std::pair("sessionTimeout", &options.session_timeout),
        std::pair("clientConnectionTopicMetadataRefreshInterval", &options.metadata_refresh)}) {
    if (status) status = read_duration(metadata, key, milliseconds(10), *into);
  }
  if (!status) return fail(std::move(status.error()));
  if (options.heartbeat_interval >= options.session_timeout) {
    return wrong("heartbeatInterval", "must be shorter than sessionTimeout");
  }
  const std::string offset = to_lower(metadata.get_string("initialOffset"));
  if (!offset.empty() && offset != "newest" && offset != "oldest") {
    return wrong("initialOffset", "must be newest or oldest");
  }
  options.oldest_first = offset == "oldest";
  if (const std::string codec = to_lower(metadata.get_string("compression")); !codec.empty()) {
    constexpr std::array<std::string_view, 5> kCodecs = {"none", "gzip", "snappy", "lz4", "zstd"};
    if (std::ranges::find(kCodecs, codec) == kCodecs.end()) {
      return wrong("compression", "must be one of none, gzip, snappy, lz4, zstd");
    }
    options.compression = codec;
  }
  const std::string strategy = to_lower(metadata.get_string("consumerGroupRebalanceStrategy"));
  if (strategy == "sticky") {
    return unsupported("consumerGroupRebalanceStrategy sticky", ": range and roundrobin are");
  }
  if (!strategy.empty() && strategy != "range" && strategy != "roundrobin") {
    return wrong("consumerGroupRebalanceStrategy", "must be range or roundrobin");
  }
  if (!strategy.empty()) options.rebalance_strategy = strategy;
  return options;
}

std::vector<std::string> idle_kafka_keys(const MetadataReader& metadata) {
  std::vector<std::string> idle;
  for (const auto& [key, why] :
       {std::pair("version", "what a broker can do is asked of it"),
        std::pair("clientConnectionKeepAliveInterval", "a connection is kept as long as its broker keeps it"),
        std::pair("schemaCachingEnabled", "there is no schema registry"),
        std::pair("schemaLatestVersionCacheTTL", "there is no schema registry"),
        std::pair("consumeRetryInterval", "a broker that is away is looked for all the time")}) {
    if (metadata.has(key)) idle.push_back(fmt::format("{} has no effect: {}", key, why));
  }
  return idle;
}

Status check_value_schema(const Metadata& metadata) {
  for (const auto& [key, value] : metadata) {
    if (!equals_ignoring_case(key, "valueSchemaType") || equals_ignoring_case(value, "none")) continue;
    if (equals_ignoring_case(value, "avro")) return unsupported("valueSchemaType Avro", "");
    return fail(Code::kInvalidArgument, fmt::format("error parsing schema type. '{}' is not a supported value", value));
  }
  return {};
}

}  // namespace tandem::components::kafka
