// Guests that call guests: none is polled inside another's event. The fake engine ends the process where one is.

#include "app/poll_gate.h"

#include <map>

#include "app/testing/test_guests.h"

namespace tandem::app {
namespace {

// Sends what it gets for "localhost:3500/<name>" to the pool of that name, as the Dapr API of a process does.
class Switchboard final : public net::Handler {
 public:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    ++calls;
    const std::string name(exchange->head().target.substr(1));
    net::Handler* target = targets[name];
    if (!target) return exchange->respond(404, {}, "nobody is called " + name);
    target->handle(std::move(exchange));
  }

  std::map<std::string, net::Handler*> targets;
  int calls = 0;
};

TEST(PollGate, PutsOffWhatComesDuringAPoll) {
  PollGate gate;
  std::string log;
  EXPECT_FALSE(gate.polling());
  gate.run([&] {
    EXPECT_TRUE(gate.polling());
    gate.defer([&] {
      EXPECT_FALSE(gate.polling());
      log += "b";
      gate.run([&] {
        log += "c";
        gate.defer([&] { log += "e"; });
      });
      log += "f";
    });
    gate.defer([&] { log += "d"; });
    log += "a";
  });
  EXPECT_EQ(log, "abcdef");
  EXPECT_FALSE(gate.polling());
}

TEST(PollGate, AGuestCallsAnotherOnTheSameWorker) {
  Switchboard api;
  Rig rig;
  const OutboundRoutes routes{.dapr_api = &api, .dapr_http_port = 3501};
  api.targets["hello"] = &rig.pool("hello");
  GuestPool& caller = rig.pool("call http://localhost:3501/hello", 0, 4, routes);
  const auto seen = rig.send(caller, "");
  EXPECT_EQ(seen->wait().body(), "hello");
  EXPECT_EQ(seen->status(), 200);
}

TEST(PollGate, NestedThreeDeep) {
  Switchboard api;
  Rig rig;
  const OutboundRoutes routes{.dapr_api = &api, .dapr_http_port = 3501};
  api.targets["fourth"] = &rig.pool("suspend 2; stream 200");
  api.targets["third"] = &rig.pool("relay http://localhost:3501/fourth", 0, 4, routes);
  api.targets["second"] = &rig.pool("suspend 1; relay http://localhost:3501/third", 0, 4, routes);
  GuestPool& first = rig.pool("relay http://localhost:3501/second", 0, 4, routes);
  std::vector<std::shared_ptr<Seen>> all;
  for (int i = 0; i < 20; ++i) all.push_back(rig.send(first, TestRequest{.body = std::string(100'000, 'x')}));
  for (const auto& seen : all) {
    EXPECT_EQ(seen->wait().status(), 200);
    EXPECT_EQ(seen->body().size(), 200u * 1024);
    EXPECT_EQ(seen->error(), "");
  }
  EXPECT_EQ(rig.on([&] { return api.calls; }), 60);
}

TEST(PollGate, AGuestThatCallsItselfNeedsASecondInstance) {
  Switchboard api;
  Rig rig;
  const OutboundRoutes routes{.dapr_api = &api, .dapr_http_port = 3501};
  GuestPool& pool = rig.pool("from-header", 0, 2, routes);
  api.targets["self"] = &pool;
  const auto seen = rig.send(pool, "call http://localhost:3501/self script: hello");
  EXPECT_EQ(seen->wait().body(), "hello");
  EXPECT_EQ(rig.made(), 2);
}

TEST(PollGate, ATrapOfTheCalledGuestIsAnAnswerToTheCaller) {
  Switchboard api;
  Rig rig;
  const OutboundRoutes routes{.dapr_api = &api, .dapr_http_port = 3501};
  api.targets["bad"] = &rig.pool("trap");
  GuestPool& pool = rig.pool("from-header", 0, 2, routes);
  EXPECT_EQ(rig.send(pool, "call http://localhost:3501/bad")->wait().status(), 500);
  // One that dies while its own call is under way takes nobody with it.
  const auto abandoned = rig.send(pool, "abandon http://localhost:3501/bad; trap");
  EXPECT_EQ(abandoned->wait().status(), 500);
  EXPECT_EQ(rig.send(pool, "call http://localhost:3501/nobody")->wait().status(), 404);
}

TEST(PollGate, ADeadlineEndsAChain) {
  Switchboard api;
  Rig rig;
  rig.options.request_timeout = std::chrono::milliseconds(100);
  const OutboundRoutes routes{.dapr_api = &api, .dapr_http_port = 3501};
  api.targets["last"] = &rig.pool("never-answer");
  api.targets["middle"] = &rig.pool("call http://localhost:3501/last", 0, 4, routes);
  GuestPool& first = rig.pool("call http://localhost:3501/middle", 0, 4, routes);
  EXPECT_EQ(rig.send(first, "")->wait().status(), 504);
}

}  // namespace
}  // namespace tandem::app
