// For tests: Debian's redis-server with a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/server_process.h"

namespace tandem::components {

class RedisServer final {
 public:
  struct Options {
    // Further arguments, "--requirepass", "secret".
    std::vector<std::string> arguments;
    // In place of --port, for a server that speaks nothing but TLS.
    std::string port_option = "--port";
    std::string sentinel;  // its configuration, for a sentinel in place of a server
  };

  RedisServer() : RedisServer(Options{}) {}
  explicit RedisServer(Options options) : options_(std::move(options)) {
    static std::atomic<int> number = 0;
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("redis_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
    std::filesystem::create_directories(folder_);
    // Between choosing a port and listening on it somebody else may take it.
    for (int attempt = 0; attempt < 5 && process_ == nullptr; ++attempt) {
      port_ = free_port();
      start();
    }
    EXPECT_NE(process_, nullptr) << "redis-server does not start: " << log();
  }
  ~RedisServer() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::uint16_t port() const { return port_; }
  const std::filesystem::path& folder() const { return folder_; }
  ServerProcess& process() { return *process_; }

  void kill() { process_.reset(); }
  // On the same port, with the data that it had written.
  void start() {
    std::vector<std::string> command = {"redis-server"};
    if (!options_.sentinel.empty()) {
      std::ofstream(folder_ / "sentinel.conf") << options_.sentinel;
      command.push_back((folder_ / "sentinel.conf").string());
      command.emplace_back("--sentinel");
    }
    for (const std::string& word : {options_.port_option, std::to_string(port_), std::string("--bind"),
                                    std::string("127.0.0.1"), std::string("--dir"), folder_.string()}) {
      command.push_back(word);
    }
    for (const std::string& word : options_.arguments) command.push_back(word);
    process_ = ServerProcess::start(command, port_, (folder_ / "log").string());
  }

 private:
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

}  // namespace tandem::components
