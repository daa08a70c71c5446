// GuestApp: one app over several workers, over real connections.

#include "app/guest_app.h"

#include <thread>

#include "app/testing/test_guests.h"

namespace tandem::app {
namespace {

using net::RawClient;
using net::wait_for;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// An app behind its port.
class Served final {
 public:
  Served(Rig& rig, std::string_view script) : rig_(rig) {
    std::vector<WorkerResources> resources;
    for (std::size_t i = 0; i < rig.workers.size(); ++i) {
      resources.push_back({&rig.workers[i], rig.gates[i].get(), nullptr, nullptr});
    }
    app = std::make_unique<GuestApp>(rig.options, rig.program(script), config::OutboundHosts(), rig.log, rig.services,
                                     rig.observer, std::move(resources));
    server_ = std::move(*net::HttpServer::listen(
        rig.workers, {}, [this](net::Worker& worker) -> net::Handler& { return app->handler(worker.index()); }));
  }
  ~Served() {
    server_.reset();
    app->stop(std::chrono::steady_clock::now());
    rig_.workers.stop();
  }
  std::uint16_t port() const { return server_->port(); }

  std::unique_ptr<GuestApp> app;

 private:
  Rig& rig_;
  std::unique_ptr<net::HttpServer> server_;
};

std::string get(std::string_view script) {
  return "GET / HTTP/1.1\r\nHost: app\r\nscript: " + std::string(script) + "\r\nContent-Length: 0\r\n\r\n";
}

TEST(GuestApp, ServesOnEveryWorker) {
  Rig rig(2);
  rig.options.min_instances = 3;
  Served served(rig, "hello");
  ASSERT_TRUE(served.app->warm_up());
  EXPECT_EQ(rig.made(), 3);
  RawClient first(served.port());
  RawClient second(served.port());
  for (RawClient* client : {&first, &second, &first, &second}) {
    client->send(get(""));
    EXPECT_THAT(client->read_answer(), StartsWith("HTTP/1.1 200 "));
  }
}

TEST(GuestApp, OneInstanceServesAllWorkers) {
  Rig rig(3);
  rig.options.max_instances = 1;
  Served served(rig, "hello");
  ASSERT_TRUE(served.app->warm_up());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(std::make_unique<RawClient>(served.port()));
  for (int round = 0; round < 3; ++round) {
    for (const auto& client : clients) client->send(get(""));
    for (const auto& client : clients) EXPECT_THAT(client->read_answer(), HasSubstr("\r\n\r\nhello"));
  }
  EXPECT_EQ(rig.made(), 1);
}

TEST(GuestApp, FewerInstancesThanWorkersIsABound) {
  Rig rig(3);
  rig.options.max_instances = 2;
  Served served(rig, "suspend 3; hello");
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(std::make_unique<RawClient>(served.port()));
  for (const auto& client : clients) client->send(get(""));
  for (const auto& client : clients) EXPECT_THAT(client->read_answer(), HasSubstr("\r\n\r\nhello"));
  EXPECT_LE(rig.made(), 2);
}

TEST(GuestApp, EventsGoToWorkersThatHaveInstances) {
  Rig rig(3);
  rig.options.max_instances = 2;
  Served served(rig, "suspend 1; status 404");
  std::atomic<int> dropped{0};
  for (int i = 0; i < 20; ++i) {
    pubsub::Delivery delivery;
    delivery.route = "/orders";
    delivery.body = std::make_shared<const std::string>("{}");
    served.app->deliver(std::move(delivery), [&](Result<pubsub::Verdict> verdict) {
      if (verdict && *verdict == pubsub::Verdict::kDrop) ++dropped;
    });
  }
  EXPECT_TRUE(wait_for([&] { return dropped == 20; }));
}

TEST(GuestApp, StopsWithCallsInFlight) {
  Rig rig(2);
  Served served(rig, "from-header");
  RawClient hanging(served.port());
  RawClient spinning(served.port());
  RawClient streaming(served.port(), 4096);
  hanging.send(get("never-answer"));
  spinning.send(get("spin"));
  streaming.send(get("stream 9000"));
  ASSERT_TRUE(wait_for([&] { return rig.made() == 3; }));
  served.app->stop(std::chrono::steady_clock::now() + 50ms);
  EXPECT_EQ(rig.gone(), 3);
  EXPECT_THAT(hanging.read_answer(), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(spinning.read_answer(), StartsWith("HTTP/1.1 500 "));
  // Cut, not ended: there is no last chunk.
  EXPECT_THAT(streaming.read_to_end(), ::testing::Not(::testing::EndsWith("\r\n0\r\n\r\n")));
}

TEST(GuestApp, ManyClientsOfEveryKindAtOnce) {
  Rig rig(2);
  rig.options.max_instances = 6;
  rig.options.instance_max_requests = 7;
  rig.options.request_timeout = 5s;
  Served served(rig, "from-header");
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"hello", "200 "},
      {"suspend 2; hello", "200 "},
      {"trap", "500 "},
      {"leak; status 201", "201 "},
      {"log a line; hello", "200 "},
      {"get store key", "500 "},
  };
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        RawClient client(served.port());
        for (int i = 0; i < 60; ++i) {
          const auto& [script, status] = kinds[static_cast<std::size_t>(t + i) % kinds.size()];
          client.send(get(script));
          if (client.read_answer().starts_with("HTTP/1.1 " + status)) ++right;
        }
      });
    }
    threads.emplace_back([&] {
      // Clients that leave in the middle.
      for (int i = 0; i < 20; ++i) {
        RawClient client(served.port(), 4096);
        client.send(get("stream 500"));
        client.read_until("\r\n\r\n");
        client.reset();
      }
    });
  }
  EXPECT_EQ(right, 240);
  EXPECT_GE(rig.made(), 240 / 7);
}

TEST(GuestApp, AnotherModuleTakesOverWhatComesAfterIt) {
  for (const std::size_t instances : {1, 4}) {
    Rig rig(2);
    rig.options.min_instances = 1;
    rig.options.max_instances = instances;
    Served served(rig, "suspend 20; hello");
    ASSERT_TRUE(served.app->warm_up());
    // More than there are instances: some wait for one of the module that they have come to.
    std::vector<std::unique_ptr<RawClient>> before;
    for (int i = 0; i < 8; ++i) before.push_back(std::make_unique<RawClient>(served.port()));
    for (const auto& client : before) client->send(get(""));
    ASSERT_TRUE(served.app->replace(rig.program("status 204"), 10s));
    for (const auto& client : before) {
      EXPECT_THAT(client->read_answer(), testing::AnyOf(HasSubstr("\r\n\r\nhello"), StartsWith("HTTP/1.1 204 ")));
    }
    for (const auto& client : before) client->send(get(""));
    for (const auto& client : before) EXPECT_THAT(client->read_answer(), StartsWith("HTTP/1.1 204 "));
  }
}

TEST(GuestApp, AModuleThatDoesNotStartTakesNoPlace) {
  Rig rig(2);
  rig.options.min_instances = 1;
  Served served(rig, "hello");
  ASSERT_TRUE(served.app->warm_up());
  EXPECT_FALSE(served.app->replace(rig.program("fails-to-start; status 204"), 10s));
  RawClient client(served.port());
  client.send(get(""));
  EXPECT_THAT(client.read_answer(), HasSubstr("\r\n\r\nhello"));
}

TEST(GuestApp, ACallWithoutEndDoesNotHoldTheModuleBefore) {
  Rig rig(2);
  Served served(rig, "from-header");
  RawClient endless(served.port());
  endless.send(get("never-answer"));
  ASSERT_TRUE(wait_for([&] { return rig.made() == 1; }));
  ASSERT_TRUE(served.app->replace(rig.program("hello"), 50ms));
  RawClient client(served.port());
  client.send(get(""));
  EXPECT_THAT(client.read_answer(), HasSubstr("\r\n\r\nhello"));
}

TEST(GuestApp, TheStopDoesNotWaitForTheModuleBefore) {
  Rig rig(2);
  Served served(rig, "from-header");
  RawClient endless(served.port());
  endless.send(get("never-answer"));
  ASSERT_TRUE(wait_for([&] { return rig.made() == 1; }));
  std::thread replacing([&] { EXPECT_TRUE(served.app->replace(rig.program("hello"), 1h)); });
  served.app->hurry();
  replacing.join();
}

}  // namespace
}  // namespace tandem::app
