#include "components/postgresql/connection_settings.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>
#include <thread>

#include "base/number.h"
#include "components/postgresql/connection_string.h"
#include "config/duration.h"

namespace tandem::components::postgresql {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostConnections = 10'000;
// Debian's file; other systems link it there too.
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::unexpected<Error> invalid(std::string_view word, std::string_view what) {
  return fail(Code::kInvalidArgument, std::string(word) + ": " + std::string(what));
}

// Takes a word out; empty when it is not there.
std::string take(Words& words, std::string_view word) {
  const auto found = words.find(word);
  if (found == words.end()) return {};
  std::string value = std::move(found->second);
  words.erase(found);
  return value;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> items;
  while (true) {
    const std::size_t end = std::min(list.find(','), list.size());
    items.emplace_back(list.substr(0, end));
    if (end == list.size()) return items;
    list.remove_prefix(end + 1);
  }
}

Result<std::vector<Server>> make_servers(Words& words) {
  const auto list_of = [&](std::string_view word, const char* variable) {
    std::string list = take(words, word);
    if (list.empty()) list = environment(variable);
    return split(list);
  };
  std::vector<std::string> addresses = list_of("hostaddr", "PGHOSTADDR");
  std::vector<std::string> hosts = list_of("host", "PGHOST");
  const std::vector<std::string> ports = list_of("port", "PGPORT");
  const bool has_addresses = addresses.size() > 1 || !addresses.front().empty();
  const bool has_hosts = hosts.size() > 1 || !hosts.front().empty();
  if (!has_hosts) hosts.resize(std::max(hosts.size(), addresses.size()));
  if (!has_addresses) addresses.resize(hosts.size());
  if (hosts.size() != addresses.size()) return invalid("hostaddr", "there must be as many as there are hosts");
  if (ports.size() != 1 && ports.size() != hosts.size()) {
    return invalid("port", "there must be one, or as many as there are hosts");
  }
  std::vector<Server> servers;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::string& port = ports[ports.size() == 1 ? 0 : i];
    if (!port.empty() && parse_number<std::uint16_t>(port).value_or(0) == 0) {
      return invalid("port", "must be a number between 1 and 65535");
    }
    servers.push_back({.host = hosts[i], .address = addresses[i], .port = port});
  }
  return servers;
}

std::string show(const std::vector<Server>& servers) {
  std::string text;
  for (const Server& server : servers) {
    const std::string& host = server.host.empty() ? server.address : server.host;
    text += (text.empty() ? "" : ", ") + (host.empty() ? std::string("the local socket") : host);
    if (!server.port.empty()) text += ":" + server.port;
  }
  return text;
}

Result<QueryMode> parse_mode(std::string_view word) {
  if (word.empty() || word == "cache_statement") return QueryMode::kPrepared;
  if (word == "cache_describe" || word == "describe_exec" || word == "exec") return QueryMode::kUnprepared;
  if (word == "simple_protocol") return QueryMode::kSimple;
  return fail(Code::kInvalidArgument, "invalid queryExecMode metadata value: " + std::string(word) +
                                          "; it must be cache_statement, cache_describe, describe_exec, exec or "
                                          "simple_protocol");
}

Result<std::size_t> parse_count(std::string_view word, const std::string& text) {
  const std::size_t count = parse_number<std::size_t>(text).value_or(0);
  if (count < 1 || count > kMostConnections) {
    return invalid(word, "must be a number between 1 and " + std::to_string(kMostConnections));
  }
  return count;
}

Result<milliseconds> parse_time(std::string_view word, const std::string& text) {
  const auto time = config::parse_duration_or_seconds(text);
  if (!time || time->count() < 0) return invalid(word, "must be a duration such as 30s or 5m");
  return std::chrono::duration_cast<milliseconds>(*time);
}

// The words of Dapr's driver about its pool; those without a meaning here are taken and dropped.
Status read_pool_words(Words& words, ConnectionSettings& settings) {
  if (const std::string text = take(words, "pool_max_conns"); !text.empty()) {
    const Result<std::size_t> count = parse_count("pool_max_conns", text);
    if (!count) return fail(count.error());
    settings.max_connections = *count;
  }
  const std::pair<std::string_view, milliseconds&> times[] = {{"pool_max_conn_idle_time", settings.max_idle},
                                                              {"pool_max_conn_lifetime", settings.max_lifetime},
                                                              {"connect_timeout", settings.connect_timeout}};
  for (const auto& [word, into] : times) {
    const std::string text = take(words, word);
    if (text.empty() || text == "0") continue;
    const Result<milliseconds> time = parse_time(word, text);
    if (!time) return fail(time.error());
    into = *time;
  }
  for (const std::string_view word :
       {"pool_min_conns", "pool_min_idle_conns", "pool_health_check_period", "pool_max_conn_lifetime_jitter",
        "statement_cache_capacity", "description_cache_capacity", "min_read_buffer_size"}) {
    take(words, word);
  }
  return {};
}

std::set<std::string, std::less<>> libpq_words() {
  std::set<std::string, std::less<>> words;
  PQconninfoOption* const options = PQconndefaults();
  for (const PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr; ++option) {
    words.insert(option->keyword);
  }
  PQconninfoFree(options);
  return words;
}

// A value inside `options`: spaces and backslashes are escaped there.
std::string option_escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == ' ' || c == '\\' || c == '\t' || c == '\n') text.push_back('\\');
    text.push_back(c);
  }
  return text;
}

// What libpq does not know is a setting of the session, as it is for Dapr's driver.
void put_session_words(Words& words) {
  const auto known = libpq_words();
  std::string options;
  for (auto at = words.begin(); at != words.end();) {
    if (known.contains(at->first)) {
      ++at;
      continue;
    }
    options += (options.empty() ? "-c " : " -c ") + option_escaped(at->first) + "=" + option_escaped(at->second);
    at = words.erase(at);
  }
  if (options.empty()) return;
  std::string& all = words["options"];
  all += (all.empty() ? "" : " ") + options;
}

// libpq 15 verifies only against a file; Dapr's driver falls back to the system's authorities.
void put_authorities(Words& words) {
  const auto mode = words.find("sslmode");
  const std::string chosen = mode != words.end() ? mode->second : environment("PGSSLMODE");
  if (chosen != "verify-ca" && chosen != "verify-full") return;
  if (words.contains("sslrootcert") || !environment("PGSSLROOTCERT").empty()) return;
  words["sslrootcert"] = kSystemAuthorities;
}

}  // namespace

Result<ConnectionSettings> make_settings(const ConnectionOptions& options) {
  if (options.timeout < std::chrono::seconds(1)) {
    return fail(Code::kInvalidArgument, "invalid value for 'timeout': must be greater than 1s");
  }
  Result<Words> words = parse_connection_string(options.connection_string);
  if (!words) return fail(std::move(words.error()));
  const std::pair<std::string_view, const std::string&> overrides[] = {{"host", options.host},
                                                                       {"hostaddr", options.host_address},
                                                                       {"port", options.port},
                                                                       {"dbname", options.database},
                                                                       {"user", options.user},
                                                                       {"password", options.password},
                                                                       {"sslrootcert", options.ssl_root_cert}};
  for (const auto& [word, value] : overrides) {
    if (!value.empty()) words->insert_or_assign(std::string(word), value);
  }
  if (options.connection_string.empty() && words->empty()) {
    return fail(Code::kInvalidArgument,
                "nothing says where the database is: set connectionString, or host, user, password and database");
  }
  for (const std::string_view word : {"service", "servicefile"}) {
    if (words->contains(word)) return invalid(word, "is not supported; write the settings out");
  }

  ConnectionSettings settings;
  settings.timeout = options.timeout;
  settings.connect_timeout = options.timeout;
  settings.max_connections = std::max(4U, std::thread::hardware_concurrency());
  if (Status status = read_pool_words(*words, settings); !status) return fail(std::move(status.error()));
  settings.connect_timeout = std::min(settings.connect_timeout, options.timeout);
  if (options.max_connections > 0) {
    const Result<std::size_t> count = parse_count("maxConns", std::to_string(options.max_connections));
    if (!count) return fail(count.error());
    settings.max_connections = *count;
  }
  if (options.max_idle > milliseconds(0)) settings.max_idle = options.max_idle;
  const std::string mode = take(*words, "default_query_exec_mode");
  Result<QueryMode> parsed = parse_mode(options.query_exec_mode.empty() ? mode : options.query_exec_mode);
  if (!parsed) return fail(std::move(parsed.error()));
  settings.mode = *parsed;

  Result<std::vector<Server>> servers = make_servers(*words);
  if (!servers) return fail(std::move(servers.error()));
  settings.servers = std::move(*servers);
  settings.shown = show(settings.servers);

  put_authorities(*words);
  put_session_words(*words);
  words->insert_or_assign("client_encoding", "UTF8");
  // Without these, a look for a Kerberos ticket opens each connection, and a server that vanishes is noticed in hours.
  words->emplace("gssencmode", "disable");
  words->emplace("tcp_user_timeout", std::to_string(options.timeout.count()));
  words->emplace("fallback_application_name", "tandem");
  settings.parameters.assign(words->begin(), words->end());
  return settings;
}

}  // namespace tandem::components::postgresql
