#include "net/port_probe.h"

#include <gtest/gtest.h>

#include <future>

#include "net/testing/scripted_server.h"

namespace tandem::net {
namespace {

using std::chrono::milliseconds;

Status probe(const std::string& host, std::uint16_t port) {
  Workers workers(1);
  workers.start();
  std::promise<Status> promise;
  workers[0].post([&] {
    probe_port(workers[0], host, port, milliseconds(5000),
               [&](Status status) { promise.set_value(std::move(status)); });
  });
  Status status = promise.get_future().get();
  workers.stop();
  return status;
}

TEST(PortProbe, FindsWhoListens) {
  ScriptedServer server({{}});
  EXPECT_TRUE(probe("127.0.0.1", server.port()).has_value());
}

TEST(PortProbe, SaysThatNobodyListens) {
  std::uint16_t port = 0;
  {
    ScriptedServer server({{}});
    port = server.port();
  }
  const Status status = probe("127.0.0.1", port);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_NE(status.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  EXPECT_FALSE(probe("", port).has_value());
}

}  // namespace
}  // namespace tandem::net
