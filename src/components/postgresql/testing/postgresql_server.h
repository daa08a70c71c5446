// For tests: Debian's PostgreSQL with data of its own, in a temporary folder.
//
// The data comes from a template that initdb makes once a user and version and that is kept in the cache. The server
// refuses to be root: then it runs as `postgres`. Made, killed and destroyed by one thread.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/server_process.h"

namespace tandem::components::postgresql {

class PostgresqlServer final {
 public:
  struct Options {
    std::string host_rules;             // in place of pg_hba.conf: who may log in how; empty: everybody, as anybody
    std::vector<std::string> settings;  // "ssl=on"
    // Files that the server reads, by name, in data(); its own, readable by nobody else.
    std::vector<std::pair<std::string, std::string>> files;
  };
  static constexpr const char* kPassword = "the password";  // of the user postgres

  PostgresqlServer() : PostgresqlServer(Options{}) {}
  explicit PostgresqlServer(Options options) : options_(std::move(options)) {
    static std::atomic<int> number = 0;
    // In memory where there is a place for it: the files are many, and gone with the test.
    const bool in_memory = ::access("/dev/shm", R_OK | W_OK | X_OK) == 0;
    folder_ = (in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
              ("tandem_postgresql_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
    std::filesystem::create_directories(folder_);
    give_away(folder_);
    const std::string copied = "cp -a '" + make_template().string() + "' '" + data().string() + "'";
    EXPECT_EQ(std::system(copied.c_str()), 0) << copied;
    if (!options_.host_rules.empty()) write("pg_hba.conf", options_.host_rules);
    for (const auto& [name, text] : options_.files) write(name, text);
    // Between choosing a port and listening on it somebody else may take it.
    for (int attempt = 0; attempt < 5 && process_ == nullptr; ++attempt) {
      port_ = free_port();
      try_start();
    }
    EXPECT_NE(process_, nullptr) << "postgres does not start: " << log();
  }
  ~PostgresqlServer() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;

  std::uint16_t port() const { return port_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path data() const { return folder_ / "data"; }
  ServerProcess& process() { return *process_; }
  // Over TCP, with the password.
  std::string connection_string() const {
    return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres password='" + kPassword +
           "' database=postgres";
  }
  // Over the Unix socket.
  std::string local_string() const {
    return "host=" + folder_.string() + " port=" + std::to_string(port_) + " user=postgres database=postgres";
  }

  // Runs SQL as somebody else would, and returns the first value of the last statement; fails the test on an error.
  std::string query(const std::string& sql) const {
    PGconn* const connection = PQconnectdb(
        ("host=" + folder_.string() + " port=" + std::to_string(port_) + " user=postgres dbname=postgres").c_str());
    PGresult* const result = PQexec(connection, sql.c_str());
    EXPECT_TRUE(PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
        << sql << ": " << PQerrorMessage(connection);
    const std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    PQfinish(connection);
    return value;
  }

  // As kill -9 does it, to the server and so to all its sessions.
  void kill() { process_.reset(); }
  // On the same port, with the same data. Sessions of the one before may still be ending: it starts once they have.
  void start() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!try_start() && std::chrono::steady_clock::now() < end) {
    }
    EXPECT_NE(process_, nullptr) << "postgres does not start again: " << log();
  }

 private:
  bool try_start() {
    process_ = ServerProcess::start(
        as_server({bin() / "postgres", "-D", data().string(), "-h", "127.0.0.1", "-p", std::to_string(port_), "-k",
                   folder_.string(), "-F", "-c", "shared_buffers=16MB", "-c", "autovacuum=off"},
                  options_.settings),
        port_, (folder_ / "log").string());
    // It takes connections before it has recovered.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (process_ != nullptr && !ready() && std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 5);
    return process_ != nullptr;
  }

  static bool is_root() { return ::geteuid() == 0; }

  // The newest of Debian's.
  static std::filesystem::path bin() {
    std::vector<std::pair<int, std::filesystem::path>> versions;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      versions.emplace_back(std::atoi(entry.path().filename().c_str()), entry.path() / "bin");
    }
    EXPECT_FALSE(versions.empty()) << "PostgreSQL is not installed (Debian: postgresql)";
    return versions.empty() ? std::filesystem::path() : std::ranges::max_element(versions)->second;
  }

  static std::vector<std::string> as_server(std::vector<std::string> command,
                                            const std::vector<std::string>& settings) {
    for (const std::string& setting : settings) {
      command.emplace_back("-c");
      command.push_back(setting);
    }
    if (!is_root()) return command;
    std::vector<std::string> whole = {
        "env", "-C", "/", "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"};
    whole.insert(whole.end(), command.begin(), command.end());
    return whole;
  }

  static void give_away(const std::filesystem::path& path) {
    if (!is_root()) return;
    EXPECT_EQ(std::system(("chown postgres:postgres '" + path.string() + "'").c_str()), 0);
  }

  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = data() / name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    give_away(path);
  }

  // A database that nobody has used, outside the clone: initdb takes longer than most tests.
  std::filesystem::path make_template() const {
    const char* const cache = std::getenv("TANDEM_CACHE");
    const char* const home = std::getenv("HOME");
    const std::filesystem::path base =
        cache != nullptr ? std::filesystem::path(cache)
                         : std::filesystem::path(home != nullptr ? home : "/tmp") / ".cache" / "tandem";
    std::filesystem::create_directories(base);
    const std::string version = bin().parent_path().filename().string();
    const std::filesystem::path made = base / ("postgresql-" + version + "-" + std::to_string(::geteuid()));
    const int lock = ::open((made.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ::flock(lock, LOCK_EX);
    if (!std::filesystem::exists(made)) {
      const std::filesystem::path fresh = folder_ / "template";
      std::ofstream(folder_ / "password") << kPassword << "\n";
      std::string command;
      for (const std::string& word :
           as_server({bin() / "initdb", "-D", fresh.string(), "-A", "trust", "-U", "postgres", "-E", "UTF8",
                      "--locale=C", "--wal-segsize=1", "--no-sync", "--pwfile=" + (folder_ / "password").string()},
                     {})) {
        command += "'" + word + "' ";
      }
      EXPECT_EQ(std::system((command + ">'" + (folder_ / "log").string() + "' 2>&1").c_str()), 0) << log();
      const std::string kept = "cp -a '" + fresh.string() + "' '" + made.string() + ".new' && mv '" + made.string() +
                               ".new' '" + made.string() + "'";
      EXPECT_EQ(std::system(kept.c_str()), 0);
      std::filesystem::remove_all(fresh);
    }
    ::close(lock);
    return made;
  }

  bool ready() const {
    return PQping(("host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=postgres").c_str()) ==
           PQPING_OK;
  }
  std::string log() const {
    std::ifstream file(folder_ / "log");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  const Options options_;
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace tandem::components::postgresql
