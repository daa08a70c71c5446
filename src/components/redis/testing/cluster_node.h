// For tests: a cluster of two of Debian's servers.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "components/redis/testing/other_client.h"
#include "components/redis/testing/redis_server.h"

namespace tandem::components {

class ClusterNode final {
 public:
  ClusterNode()
      : bus_(free_port()),
        server({.arguments = {"--cluster-enabled", "yes", "--cluster-port", std::to_string(bus_)}}),
        client(server_at(server.port())),
        id(client.ask({"CLUSTER", "MYID"})->text) {}

  std::string bus() const { return std::to_string(bus_); }
  std::string port() const { return std::to_string(server.port()); }
  bool is_ready() { return client.ask({"CLUSTER", "INFO"})->text.find("cluster_state:ok") != std::string::npos; }

 private:
  const std::uint16_t bus_;

 public:
  RedisServer server;
  OtherClient client;
  const std::string id;
};

// Gives each half of the slots and waits until they agree. How a client is told of it.
inline RedisOptions cluster_of(ClusterNode& a, ClusterNode& b) {
  EXPECT_EQ(a.client.ask({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"})->text, "OK");
  EXPECT_EQ(b.client.ask({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"})->text, "OK");
  EXPECT_EQ(b.client.ask({"CLUSTER", "SET-CONFIG-EPOCH", "2"})->text, "OK");
  EXPECT_EQ(a.client.ask({"CLUSTER", "MEET", "127.0.0.1", b.port(), b.bus()})->text, "OK");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!(a.is_ready() && b.is_ready()) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  RedisOptions options = server_at(a.server.port());
  // One that is not there does not matter.
  options.addresses.insert(options.addresses.begin(), {"127.0.0.1", free_port()});
  options.cluster = true;
  return options;
}

}  // namespace tandem::components
