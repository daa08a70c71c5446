#include "components/redis/redis_options.h"

#include <algorithm>
#include <utility>

#include "base/number.h"
#include "base/text.h"
#include "config/duration.h"
#include "config/text.h"

namespace tandem::components {
namespace {

using config::MetadataReader;
using std::chrono::milliseconds;

constexpr std::uint16_t kRedisPort = 6379;

std::optional<std::uint16_t> to_port(std::string_view text) {
  const std::optional<std::uint16_t> port = parse_number<std::uint16_t>(text);
  return port && *port != 0 ? port : std::nullopt;
}

std::unexpected<Error> wrong(std::string_view key, std::string_view why) {
  return fail(Code::kInvalidArgument, std::string(key) + ": " + std::string(why));
}

Status read_addresses(const MetadataReader& metadata, RedisOptions& options) {
  std::uint16_t port = 0;
  if (const std::string text = metadata.get_string("redisPort"); !text.empty() && text != "0") {
    const std::optional<std::uint16_t> given = to_port(text);
    if (!given) return wrong("redisPort", "must be a port, not \"" + text + "\"");
    port = *given;
  }
  const std::string hosts = metadata.get_string("redisHost");
  std::string_view rest = hosts;
  while (true) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    Result<RedisAddress> address = parse_redis_address(trim(rest.substr(0, comma)), port);
    if (!address) return fail(std::move(address.error()));
    options.addresses.push_back(std::move(*address));
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  if (options.addresses.size() > 1 && !options.cluster && options.sentinel_master.empty()) {
    return wrong("redisHost", "several hosts are for sentinels (failover: true) or a cluster (redisType: cluster)");
  }
  return {};
}

Status read_durations(const MetadataReader& metadata, RedisOptions& options) {
  const auto read = [&](std::string_view key, milliseconds& into) -> Status {
    const std::string text = metadata.get_string(key);
    if (text.empty()) return {};
    Result<std::optional<milliseconds>> value = parse_redis_duration(key, text);
    if (!value) return fail(std::move(value.error()));
    // Zero is the default, as in Dapr; below it there is no limit.
    if (!*value) {
      into = milliseconds(0);
    } else if ((*value)->count() > 0) {
      into = **value;
    }
    return {};
  };
  // Dapr counts the old key in nanoseconds.
  const std::string backoff = metadata.get_string("maxRetryBackoff");
  if (!backoff.empty() && !metadata.has("redisMinRetryInterval")) {
    const std::optional<std::int64_t> nanoseconds = parse_number<std::int64_t>(backoff);
    if (!nanoseconds) {
      return wrong("maxRetryBackoff", "must be a whole number of nanoseconds; redisMinRetryInterval takes a duration");
    }
    options.min_retry_interval = std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(*nanoseconds));
  } else if (Status status = read("redisMinRetryInterval", options.min_retry_interval); !status) {
    return status;
  }
  if (Status status = read("redisMaxRetryInterval", options.max_retry_interval); !status) return status;
  if (Status status = read("dialTimeout", options.dial_timeout); !status) return status;
  if (options.dial_timeout.count() == 0) return wrong("dialTimeout", "must not be below zero");
  if (Status status = read("readTimeout", options.read_timeout); !status) return status;
  options.write_timeout = options.read_timeout;
  return read("writeTimeout", options.write_timeout);
}

Status read_tls(const MetadataReader& metadata, RedisOptions& options) {
  if (!metadata.get_bool("enableTLS")) return {};
  net::TlsClientOptions tls;
  if (metadata.get_bool("insecureSkipTLSVerify")) tls.verify = net::TlsClientOptions::Verify::kNothing;
  // One without the other counts for nothing, as in Dapr.
  tls.certificate_pem = metadata.get_string("clientCert");
  tls.key_pem = metadata.get_string("clientKey");
  if (tls.certificate_pem.empty() || tls.key_pem.empty()) {
    tls.certificate_pem.clear();
    tls.key_pem.clear();
  }
  Result<std::shared_ptr<const net::TlsClient>> client = net::TlsClient::make(tls);
  if (!client) return wrong("clientCert, clientKey", client.error().message);
  options.tls = std::move(*client);
  return {};
}

Status refuse_keys(const MetadataReader& metadata) {
  const auto refuse = [](std::string_view what) {
    return fail(Code::kUnimplemented, std::string(what) + " is not supported; remove it to go on without it");
  };
  if (metadata.get_bool("useEntraID")) return refuse("useEntraID");
  if (!metadata.get_string("queryIndexes").empty()) return refuse("queryIndexes (the query API)");
  return {};
}

}  // namespace

Result<std::optional<milliseconds>> parse_redis_duration(std::string_view key, const std::string& text) {
  if (const std::optional<std::int64_t> number = parse_number<std::int64_t>(text)) {
    if (*number < 0) return std::nullopt;
    if (*number > 1'000'000'000'000) return wrong(key, "is too long");
    return milliseconds(*number);
  }
  const Result<std::chrono::nanoseconds> parsed = config::parse_duration(text);
  if (!parsed) return wrong(key, "must be a duration such as 500ms or 3s, or a number of milliseconds");
  if (parsed->count() < 0) return std::nullopt;
  if (parsed->count() == 0) return milliseconds(0);
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(*parsed));
}

Result<RedisAddress> parse_redis_address(std::string_view text, std::uint16_t port) {
  RedisAddress address;
  std::string_view given;
  const std::size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return wrong("redisHost", "\"" + std::string(text) + "\" lacks a ]");
    address.host = text.substr(1, bracket - 1);
    given = text.substr(bracket + 1);
    if (!given.empty() && given.front() != ':')
      return wrong("redisHost", "\"" + std::string(text) + "\" is no address");
    if (!given.empty()) given.remove_prefix(1);
  } else if (colon != std::string_view::npos && text.find(':') == colon) {
    address.host = text.substr(0, colon);
    given = text.substr(colon + 1);
  } else {
    address.host = text;  // a name, or a bare IPv6 address
  }
  if (address.host.empty()) return wrong("redisHost", "\"" + std::string(text) + "\" has no host");
  if (given.empty()) {
    address.port = port != 0 ? port : kRedisPort;
    return address;
  }
  const std::optional<std::uint16_t> own = to_port(given);
  if (!own) return wrong("redisHost", "\"" + std::string(text) + "\" has no valid port");
  if (port != 0 && *own != port) {
    return wrong("redisHost", "\"" + std::string(text) + "\" has another port than redisPort: " + std::to_string(port) +
                                  "; remove one of them");
  }
  address.port = *own;
  return address;
}

Result<RedisOptions> read_redis_options(const MetadataReader& metadata) {
  if (Status status = refuse_keys(metadata); !status) return fail(std::move(status.error()));
  RedisOptions options{.cluster = equals_ignoring_case(metadata.get_string("redisType"), "cluster"),
                       .username = metadata.get_string("redisUsername"),
                       .password = metadata.get_string("redisPassword"),
                       .sentinel_username = metadata.get_string("sentinelUsername"),
                       .sentinel_password = metadata.get_string("sentinelPassword")};
  if (metadata.get_bool("failover")) {
    options.sentinel_master = metadata.get_string("sentinelMasterName");
    if (options.sentinel_master.empty()) return wrong("sentinelMasterName", "is needed with failover: true");
    if (options.cluster) {
      return fail(Code::kUnimplemented,
                  "failover: true with redisType: cluster is not supported; a cluster needs no "
                  "sentinels");
    }
  }
  for (Status (*step)(const MetadataReader&, RedisOptions&) : {read_addresses, read_durations, read_tls}) {
    if (Status status = step(metadata, options); !status) return fail(std::move(status.error()));
  }
  const std::int64_t database = metadata.get_int("redisDB");
  if (database < 0 || database > 1'000'000) return wrong("redisDB", "must be the number of a database");
  options.database = static_cast<int>(database);
  const std::int64_t retries = metadata.get_int("redisMaxRetries", options.max_retries);
  // Zero is the default, as in Dapr.
  if (retries != 0) options.max_retries = static_cast<int>(std::clamp<std::int64_t>(retries, 0, 1000));
  return options;
}

std::vector<std::string> idle_redis_keys(const MetadataReader& metadata) {
  std::vector<std::string> keys;
  for (const char* key :
       {"poolSize", "poolTimeout", "minIdleConns", "maxConnAge", "idleTimeout", "idleCheckFrequency"}) {
    if (metadata.has(key)) keys.emplace_back(key);
  }
  return keys;
}

}  // namespace tandem::components
