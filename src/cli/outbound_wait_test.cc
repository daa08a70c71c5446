#include "cli/outbound_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "net/worker.h"

namespace tandem::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Ready from the third look on.
class Sidecar final : public net::Handler {
 public:
  Sidecar() {
    server_ = *net::HttpServer::listen(workers_, {.purpose = "a test"},
                                       [this](net::Worker&) -> net::Handler& { return *this; });
    workers_.start();
  }
  ~Sidecar() override {
    server_.reset();
    workers_.stop();
  }
  std::uint16_t port() const { return server_->port(); }
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    const bool asked = exchange->head().target == "/v1.0/healthz/outbound";
    exchange->respond(asked && ++looks >= 3 ? 204 : 500, {}, "{}");
  }
  std::atomic<int> looks = 0;

 private:
  net::Workers workers_{1};
  std::unique_ptr<net::HttpServer> server_;
};

TEST(OutboundWaitTest, ItLooksUntilTheSidecarIsReady) {
  Sidecar sidecar;
  std::vector<std::string> lines;
  const auto say = [&](std::string_view line) { lines.emplace_back(line); };
  EXPECT_TRUE(wait_until_outbound_ready(sidecar.port(), say, {.whole = 20s, .pause = 1ms}));
  EXPECT_EQ(sidecar.looks, 3);
  EXPECT_THAT(lines, ElementsAre("Waiting for Dapr to be outbound ready (timeout: 20 seconds): url=http://localhost:" +
                                     std::to_string(sidecar.port()) + "/v1.0/healthz/outbound",
                                 "Dapr outbound NOT ready yet: HTTP status code 500", "Dapr is outbound ready!"));
}

TEST(OutboundWaitTest, ItGivesUpInTime) {
  std::vector<std::string> lines;
  const auto say = [&](std::string_view line) { lines.emplace_back(line); };
  // Nobody listens on port 1.
  EXPECT_FALSE(wait_until_outbound_ready(1, say, {.whole = 20ms, .pause = 1ms}));
  EXPECT_THAT(lines, ElementsAre(StartsWith("Waiting for Dapr"), StartsWith("Dapr outbound NOT ready yet: "),
                                 HasSubstr("timeout waiting for Dapr to become outbound ready. Last error: ")));
}

}  // namespace
}  // namespace tandem::cli
