#include "blocks/bindings/binding_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "base/testing/test_loop.h"

namespace tandem::bindings {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct Invoked {
  std::string name;
  InvokeRequest request;
};

class FakeOutput final : public OutputBinding {
 public:
  FakeOutput(std::string name, std::vector<Invoked>& invoked) : name_(std::move(name)), invoked_(invoked) {}

  std::span<const std::string_view> operations() const override {
    static constexpr std::array<std::string_view, 3> kNames = {"create", "get", "fail"};
    return kNames;
  }
  void invoke(const CallContext&, InvokeRequest request, Completion<InvokeAnswer> done) override {
    invoked_.push_back({name_, request});
    if (request.data == "broken") return done(fail(Code::kUnavailable, "disk on fire"));
    InvokeAnswer answer{.data = share("did " + request.operation), .metadata = {{"n", "1"}}};
    if (request.operation == "fail") answer.failure = make_error(Code::kInternal, "received status code 404");
    done(std::move(answer));
  }

 private:
  const std::string name_;
  std::vector<Invoked>& invoked_;
};

// Events come when a test says so.
class FakeInput final : public InputBinding {
 public:
  explicit FakeInput(std::map<std::string, EventHandler>& readers) : readers_(readers) {}
  Result<std::unique_ptr<Reading>> read(std::string app_id, EventHandler handler) override {
    if (app_id == "unlucky") return fail(Code::kUnavailable, "no connection");
    struct Handle final : Reading {
      Handle(std::map<std::string, EventHandler>& readers, std::string app_id)
          : readers(readers), app_id(std::move(app_id)) {}
      ~Handle() override { readers.erase(app_id); }
      std::map<std::string, EventHandler>& readers;
      const std::string app_id;
    };
    readers_[app_id] = std::move(handler);
    return std::make_unique<Handle>(readers_, std::move(app_id));
  }

 private:
  std::map<std::string, EventHandler>& readers_;
};

class FakeSink final : public InputSink {
 public:
  void take(AppEvent event, Completion<AppAnswer> done) override {
    events.push_back(std::move(event));
    if (keeps) {
      kept = std::move(done);
    } else {
      done(answer);
    }
  }
  Result<AppAnswer> answer = AppAnswer{};
  bool keeps = false;
  Completion<AppAnswer> kept;
  std::vector<AppEvent> events;
};

class Tally final : public BindingObserver {
 public:
  void invoked(std::string_view app_id, std::string_view binding, std::string_view operation, const Status& status,
               Elapsed) noexcept override {
    lines.push_back(std::string(app_id) + " " + std::string(binding) + "." + std::string(operation) +
                    (status ? " ok" : " failed"));
  }
  void delivered(std::string_view app_id, std::string_view binding, const Status& status, Elapsed) noexcept override {
    lines.push_back(std::string(app_id) + " <- " + std::string(binding) + (status ? " ok" : " failed"));
  }
  std::vector<std::string> lines;
};

class BindingServiceTest : public testing::Test {
 protected:
  BindingServiceTest() {
    EXPECT_TRUE(service_.add({.name = "store", .output = std::make_unique<FakeOutput>("store", invoked_)}));
    EXPECT_TRUE(service_.add({.name = "mail", .output = std::make_unique<FakeOutput>("mail", invoked_)}));
    EXPECT_TRUE(service_.add({.name = "theirs",
                              .output = std::make_unique<FakeOutput>("theirs", invoked_),
                              .input = std::make_unique<FakeInput>(theirs_),
                              .scopes = {"other"}}));
    EXPECT_TRUE(service_.add({.name = "timer", .input = std::make_unique<FakeInput>(readers_), .route = "/on-time"}));
    EXPECT_TRUE(service_.add({.name = "both",
                              .output = std::make_unique<FakeOutput>("both", invoked_),
                              .input = std::make_unique<FakeInput>(both_),
                              .reader = BindingEntry::Reader::kNamed}));
  }

  Result<InvokeAnswer> invoke(InvokeCall call) {
    const CallContext context{.app_id = "app"};
    std::optional<Result<InvokeAnswer>> got;
    service_.invoke({context, loop_}, std::move(call), [&](Result<InvokeAnswer> answer) { got = std::move(answer); });
    loop_.run_ready();
    EXPECT_TRUE(got.has_value());
    return got ? std::move(*got) : fail(Code::kUnknown, "no answer");
  }
  // An event of `timer`, and what the binding hears of it.
  Result<std::string> event(Event event = {.data = "tick", .metadata = {}}) {
    Result<std::string> heard = fail(Code::kUnknown, "nothing");
    readers_.at("app")(std::move(event), [&](Result<std::string> answer) { heard = std::move(answer); });
    return heard;
  }

  TestLoop loop_;
  std::vector<Invoked> invoked_;
  std::map<std::string, EventHandler> readers_, theirs_, both_;
  Tally tally_;
  FakeSink sink_;
  BindingService service_{{.observer = &tally_}};
};

TEST_F(BindingServiceTest, PassesACallOn) {
  const auto answer =
      invoke({.binding = "store", .operation = "create", .data = "{\"a\":1}", .metadata = {{"fileName", "f"}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer->data, "did create");
  EXPECT_THAT(answer->metadata, ElementsAre(Pair("n", "1")));
  ASSERT_THAT(invoked_, SizeIs(1));
  EXPECT_EQ(invoked_[0].request.data, "{\"a\":1}");
  EXPECT_THAT(invoked_[0].request.metadata, ElementsAre(Pair("fileName", "f")));
  EXPECT_THAT(tally_.lines, ElementsAre("app store.create ok"));
}

TEST_F(BindingServiceTest, FailsInDaprdsWords) {
  struct Case {
    InvokeCall call;
    std::string_view cause;
  };
  for (const Case& one : {
           Case{{.binding = "nowhere", .operation = "create"}, "couldn't find output binding nowhere"},
           Case{{.binding = "theirs", .operation = "create"}, "couldn't find output binding theirs"},
           Case{{.binding = "timer", .operation = "create"}, "couldn't find output binding timer"},
           Case{{.binding = "nowhere", .operation = ""}, "operation field is missing from request"},
           Case{{.binding = "store", .operation = "mkdir"},
                "binding store does not support operation mkdir. supported operations:create get fail"},
           Case{{.binding = "store", .operation = "create", .data = "broken"}, "disk on fire"},
       }) {
    const auto answer = invoke(one.call);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kInternal);
    EXPECT_EQ(answer.error().reason, "ERR_INVOKE_OUTPUT_BINDING");
    EXPECT_EQ(answer.error().message,
              "error invoking output binding " + one.call.binding + ": " + std::string(one.cause));
  }
  EXPECT_THAT(tally_.lines, SizeIs(6));
  EXPECT_EQ(tally_.lines[4], "app store.mkdir failed");
}

TEST_F(BindingServiceTest, AFailureKeepsItsMetadata) {
  const auto answer = invoke({.binding = "store", .operation = "fail"});
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->failure);
  EXPECT_EQ(answer->failure->message, "error invoking output binding store: received status code 404");
  EXPECT_THAT(answer->metadata, ElementsAre(Pair("n", "1")));
  EXPECT_THAT(tally_.lines, ElementsAre("app store.fail failed"));
}

TEST_F(BindingServiceTest, ListsTheInputsOfAnApp) {
  const auto inputs = service_.inputs("app");
  ASSERT_THAT(inputs, SizeIs(2));
  EXPECT_EQ(inputs[0].name, "both");
  EXPECT_EQ(inputs[0].route, "both");
  EXPECT_EQ(inputs[0].reader, BindingEntry::Reader::kNamed);
  EXPECT_EQ(inputs[1].name, "timer");
  EXPECT_EQ(inputs[1].route, "/on-time");
  EXPECT_EQ(inputs[1].reader, BindingEntry::Reader::kAsk);
  EXPECT_THAT(service_.inputs("other"), SizeIs(3));
}

TEST_F(BindingServiceTest, TheBindingHearsWhatTheAppMadeOfAnEvent) {
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  sink_.answer->data = "thanks";
  const auto heard = event({.data = "tick", .metadata = {{"k", "v"}}});
  ASSERT_TRUE(heard);
  EXPECT_EQ(*heard, "thanks");
  ASSERT_THAT(sink_.events, SizeIs(1));
  EXPECT_EQ(sink_.events[0].binding, "timer");
  EXPECT_EQ(sink_.events[0].route, "/on-time");
  EXPECT_EQ(sink_.events[0].data, "tick");
  EXPECT_THAT(sink_.events[0].metadata, ElementsAre(Pair("k", "v")));
  EXPECT_EQ(sink_.events[0].trace.traceparent, "");
  sink_.answer = fail(Code::kUnavailable, "status code: 500");
  EXPECT_FALSE(event());
  EXPECT_THAT(tally_.lines, ElementsAre("app <- timer ok", "app <- timer failed"));
}

TEST_F(BindingServiceTest, WhatCannotBeStartedIsSaid) {
  EXPECT_EQ(service_.start("app", "nowhere", sink_).error().code, Code::kNotFound);
  EXPECT_EQ(service_.start("app", "theirs", sink_).error().code, Code::kNotFound);
  EXPECT_EQ(service_.start("app", "store", sink_).error().code, Code::kNotFound);
  EXPECT_EQ(service_.start("unlucky", "timer", sink_).error().message, "no connection");
}

TEST_F(BindingServiceTest, AnAnswerGoesOnInTurn) {
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  sink_.answer = AppAnswer{.data = " {\"a\": 1} ", .to = {"mail", "store"}};
  const auto heard = event();
  ASSERT_TRUE(heard);
  EXPECT_EQ(*heard, " {\"a\": 1} ");
  ASSERT_THAT(invoked_, SizeIs(2));
  EXPECT_EQ(invoked_[0].name, "mail");
  EXPECT_EQ(invoked_[1].name, "store");
  EXPECT_EQ(invoked_[1].request.operation, "create");
  EXPECT_EQ(invoked_[1].request.data, "{\"a\":1}");
  EXPECT_THAT(invoked_[1].request.metadata, IsEmpty());
}

TEST_F(BindingServiceTest, InTurnTheFirstFailureIsTheLast) {
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  sink_.answer = AppAnswer{.data = "no JSON", .to = {"mail", "theirs", "store"}};
  EXPECT_TRUE(event()) << "the app has taken the event";
  ASSERT_THAT(invoked_, SizeIs(1));
  EXPECT_EQ(invoked_[0].request.data, "null");
}

TEST_F(BindingServiceTest, InParallelEachGetsIt) {
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  sink_.answer = AppAnswer{.data = "1", .to = {"nowhere", "mail", "store"}, .order = AppAnswer::Order::kParallel};
  EXPECT_TRUE(event());
  EXPECT_THAT(invoked_, SizeIs(2));
}

TEST_F(BindingServiceTest, StopsAndStartsAgainForOneApp) {
  FakeSink another;
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  ASSERT_TRUE(service_.start("app", "timer", another)) << "it reads already";
  ASSERT_TRUE(service_.start("second", "timer", another));
  EXPECT_THAT(readers_, SizeIs(2));
  service_.stop("app");
  EXPECT_THAT(readers_, ElementsAre(Pair("second", ::testing::_)));
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  EXPECT_TRUE(event());
  EXPECT_THAT(sink_.events, SizeIs(1));
}

TEST_F(BindingServiceTest, CloseWaitsForEventsUnderWay) {
  sink_.keeps = true;
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  const EventHandler handler = readers_.at("app");
  std::atomic<bool> heard = false;
  handler({}, [&](const Result<std::string>& answer) { heard = answer.has_value(); });
  service_.stop_all();
  EXPECT_THAT(readers_, IsEmpty());
  std::promise<void> closing;
  std::thread closer([&] {
    closing.set_value();
    service_.close(std::chrono::steady_clock::now() + std::chrono::seconds(30));
    EXPECT_TRUE(heard);
  });
  closing.get_future().wait();
  std::exchange(sink_.kept, nullptr)(AppAnswer{});
  closer.join();
  Result<std::string> late = std::string();
  handler({}, [&](Result<std::string> answer) { late = std::move(answer); });
  EXPECT_EQ(late.error().code, Code::kCancelled);
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  EXPECT_THAT(readers_, IsEmpty()) << "nothing starts after a stop";
}

TEST_F(BindingServiceTest, ABindingThatTakesAnothersPlaceIsReadAnew) {
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  sink_.keeps = true;
  bool heard = false;
  readers_.at("app")({.data = "old", .metadata = {}},
                     [&](const Result<std::string>& answer) { heard = answer.has_value(); });

  std::map<std::string, EventHandler> fresh;
  service_.put({.name = "timer", .input = std::make_unique<FakeInput>(fresh)});
  EXPECT_THAT(readers_, IsEmpty());
  ASSERT_TRUE(service_.start("app", "timer", sink_));
  EXPECT_THAT(fresh, SizeIs(1));
  EXPECT_TRUE(service_.sweep(SteadyTime::max())) << "an event of the one before is under way";
  std::exchange(sink_.kept, nullptr)(AppAnswer{});
  EXPECT_TRUE(heard);
  EXPECT_FALSE(service_.sweep(SteadyTime::max()));

  service_.stop("app", "timer");
  EXPECT_THAT(fresh, IsEmpty());
  service_.remove("timer");
  EXPECT_EQ(service_.start("app", "timer", sink_).error().code, Code::kNotFound);
  EXPECT_FALSE(service_.sweep(SteadyTime::max()));
}

TEST(BindingTrace, AnEventBeginsOneUnlessItBringsOne) {
  std::map<std::string, EventHandler> readers;
  FakeSink sink;
  BindingService service({.sampler = telemetry::Sampler(1)});
  ASSERT_TRUE(service.add({.name = "timer", .input = std::make_unique<FakeInput>(readers)}));
  ASSERT_TRUE(service.start("app", "timer", sink));
  readers.at("app")({}, [](const Result<std::string>&) {});
  readers.at("app")(
      {.data = {}, .metadata = {{"traceparent", "00-11111111111111111111111111111111-2222222222222222-01"}}},
      [](const Result<std::string>&) {});
  EXPECT_THAT(sink.events[0].trace.traceparent, StartsWith("00-"));
  EXPECT_THAT(sink.events[1].trace.traceparent, StartsWith("00-11111111111111111111111111111111-"));
}

}  // namespace
}  // namespace tandem::bindings
