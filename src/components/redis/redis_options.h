// RedisOptions: what the metadata of a Redis component says about its server, with Dapr's names, defaults and rules
// (https://docs.dapr.io/reference/components-reference/supported-state-stores/setup-redis/).
//
// Plain values; any thread. read_redis_options() fails with kInvalidArgument and the key at fault, or kUnimplemented
// for what Tandem does not do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/component_metadata.h"
#include "net/tls_client.h"

namespace tandem::components {

struct RedisAddress {
  std::string host;
  std::uint16_t port = 0;
};

struct RedisOptions {
  std::vector<RedisAddress> addresses;  // the server, the sentinels that know it, or some nodes of a cluster
  bool cluster = false;
  std::string username;
  std::string password;
  int database = 0;
  std::string sentinel_master;  // empty: no sentinels
  std::string sentinel_username;
  std::string sentinel_password;
  std::shared_ptr<const net::TlsClient> tls;  // null: plain
  std::chrono::milliseconds dial_timeout{5'000};
  // How long a command may take, the time that it waits for a connection included. Zero: as long as its caller waits.
  std::chrono::milliseconds read_timeout{3'000};
  std::chrono::milliseconds write_timeout{3'000};
  // How often a command waits for one more connection after one could not be made; 0: not at all.
  int max_retries = 3;
  std::chrono::milliseconds min_retry_interval{2'000};
  std::chrono::milliseconds max_retry_interval{512};
  // Hears of connections that break and come back. Called on any worker; may be empty.
  std::function<void(const std::string&)> warn;
};

Result<RedisOptions> read_redis_options(const config::MetadataReader& metadata);

// The keys that the user has set and that mean nothing here, as all commands of a worker share one connection.
std::vector<std::string> idle_redis_keys(const config::MetadataReader& metadata);

// A duration as Dapr's Redis components read it: a plain number is milliseconds, a negative one means "none".
// Nullopt: none.
Result<std::optional<std::chrono::milliseconds>> parse_redis_duration(std::string_view key, const std::string& text);

// "host:port" or "[::1]:port"; without a port it is `port`, or Redis's own when that is 0. Fails when both are given
// and differ.
Result<RedisAddress> parse_redis_address(std::string_view text, std::uint16_t port);

}  // namespace tandem::components
