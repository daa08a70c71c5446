// ConnectionSettings: where a PostgreSQL server is and how to talk to it, out of a component's metadata.
//
// Reads what Dapr's components read: a connection string of keywords ("host=db user=app") or a URL
// ("postgres://app@db/orders"), the metadata that overrides it, the words of Dapr's driver that libpq does not know
// (database, pool_max_conns …) and PGHOST, PGHOSTADDR, PGPORT. Plain values; any thread. Fails with kInvalidArgument
// and the word at fault; a password is never part of a message.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tandem::components::postgresql {

// How statements are sent: prepared once a connection, anew each time, or as text with the values in it. The last two
// are for connection poolers.
enum class QueryMode { kPrepared, kUnprepared, kSimple };

// The metadata, as the user wrote it; empty: not set.
struct ConnectionOptions {
  std::string connection_string;
  std::string host;
  std::string host_address;
  std::string port;
  std::string database;
  std::string user;
  std::string password;
  std::string ssl_root_cert;
  std::string query_exec_mode;
  std::int64_t max_connections = 0;  // 0 or less: the default
  std::chrono::milliseconds max_idle{0};
  // How long an operation may take, its wait for a connection included.
  std::chrono::milliseconds timeout{20'000};
};

// A server to try.
struct Server {
  std::string host;     // a name, an address, or the folder of a Unix socket; empty: libpq's own default
  std::string address;  // an IP address that saves the lookup of `host`; mostly empty
  std::string port;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct ConnectionSettings {
  std::vector<Server> servers;  // tried in order
  Parameters parameters;        // all else, in libpq's words
  QueryMode mode = QueryMode::kPrepared;
  std::size_t max_connections = 4;
  std::chrono::milliseconds max_idle{1'800'000};
  std::chrono::milliseconds max_lifetime{3'600'000};
  std::chrono::milliseconds connect_timeout{20'000};
  std::chrono::milliseconds timeout{20'000};
  std::string shown;  // "db:5432", for messages
};

Result<ConnectionSettings> make_settings(const ConnectionOptions& options);

}  // namespace tandem::components::postgresql
