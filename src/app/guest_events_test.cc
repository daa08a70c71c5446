// Events on their way into exports of a guest: the same pools, limits and ends as requests have.
#include "app/guest_app.h"
#include "app/testing/test_guests.h"
#include "host/binding_calls.h"
#include "host/topic_calls.h"

namespace tandem::app {
namespace {

using End = GuestObserver::End;
using net::wait_for;
using pubsub::Verdict;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What came of a call; any thread.
template <class T>
class Ended {
 public:
  Completion<T> completion() {
    return [this](Result<T> result) { promise_.set_value(std::move(result)); };
  }
  Result<T> wait() {
    auto future = promise_.get_future();
    if (future.wait_for(10s) != std::future_status::ready) return fail(Code::kUnknown, "nothing has come");
    return future.get();
  }

 private:
  std::promise<Result<T>> promise_;
};

pubsub::Delivery event(std::string_view script) {
  pubsub::Delivery delivery;
  delivery.pubsub = "p";
  delivery.topic = "t";
  delivery.body = share(
      R"({"id":"1","source":"s","type":"y","specversion":"1.0","datacontenttype":"text/plain","data":"d","script":")" +
      std::string(script) + "\"}");
  return delivery;
}

class GuestEvents : public ::testing::Test {
 protected:
  GuestEvents() {
    rig_.options.exports = {.http = false, .topics = host::TopicExport::kDapr, .bindings = true, .configuration = true};
  }
  GuestApp& app(std::string_view script, std::size_t max = 4) {
    rig_.options.max_instances = max;
    std::vector<WorkerResources> workers;
    for (std::size_t i = 0; i < rig_.workers.size(); ++i) {
      workers.push_back({.worker = &rig_.workers[i], .gate = rig_.gates[i].get()});
    }
    app_ = std::make_unique<GuestApp>(rig_.options, rig_.program(script), config::OutboundHosts(), rig_.log,
                                      rig_.services, rig_.observer, std::move(workers));
    return *app_;
  }
  Result<Verdict> deliver(std::string_view script) {
    Ended<Verdict> ended;
    app_->deliver(event(script), ended.completion());
    return ended.wait();
  }
  void stop(SteadyTime deadline) {
    stopped_ = true;
    app_->stop(deadline);
  }
  // As the server ends an app.
  void TearDown() override {
    if (!stopped_) stop(std::chrono::steady_clock::now() + 10s);
    rig_.workers.stop();
    app_.reset();
  }

  Rig rig_;
  std::unique_ptr<GuestApp> app_;
  bool stopped_ = false;
};

TEST_F(GuestEvents, TheGuestsVerdictIsTheVerdict) {
  app("from-header", 1);
  EXPECT_EQ(deliver("verdict success").value(), Verdict::kSuccess);
  EXPECT_EQ(deliver("verdict retry").value(), Verdict::kRetry);
  EXPECT_EQ(deliver("suspend 2; verdict drop").value(), Verdict::kDrop);
  EXPECT_EQ(rig_.made(), 1) << "one instance takes them all";
  EXPECT_EQ(rig_.count(End::kAnswered), 3);
}

TEST_F(GuestEvents, ATrapIsAFailureAndTheInstanceIsThrownAway) {
  app("from-header", 1);
  const Result<Verdict> failed = deliver("trap");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kInternal);
  EXPECT_THAT(failed.error().message, HasSubstr("unreachable"));
  EXPECT_EQ(deliver("verdict success").value(), Verdict::kSuccess);
  EXPECT_EQ(rig_.made(), 2);
  EXPECT_EQ(rig_.count(End::kTrapped), 1);
}

TEST_F(GuestEvents, ADeadlineStopsTheGuest) {
  rig_.options.request_timeout = 50ms;
  app("from-header", 1);
  const Result<Verdict> late = deliver("never-answer");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(deliver("verdict success").value(), Verdict::kSuccess);
  EXPECT_EQ(rig_.count(End::kDeadline), 1);
}

TEST_F(GuestEvents, WhatIsNoCloudEventFails) {
  app("from-header");
  pubsub::Delivery bad;
  bad.body = share("[]");
  Ended<Verdict> ended;
  app_->deliver(std::move(bad), ended.completion());
  EXPECT_EQ(ended.wait().error().code, Code::kInvalidArgument);
}

TEST_F(GuestEvents, TheStopEndsWhatIsUnderWay) {
  app("from-header", 1);
  Ended<Verdict> running;
  Ended<Verdict> queued;
  app_->deliver(event("never-answer"), running.completion());
  app_->deliver(event("never-answer"), queued.completion());
  stop(std::chrono::steady_clock::now());
  EXPECT_EQ(running.wait().error().code, Code::kCancelled);
  EXPECT_EQ(queued.wait().error().code, Code::kUnavailable);
}

TEST_F(GuestEvents, ABulkGoesOneByOne) {
  app("from-header");
  pubsub::BulkDelivery bulk{.pubsub = "p", .topic = "t"};
  for (const char* script : {"verdict drop", "trap", "verdict success"}) {
    bulk.items.push_back({.entry_id = "", .event = event(script).body, .content_type = {}, .metadata = {}});
  }
  Ended<std::vector<Verdict>> ended;
  app_->deliver_bulk(std::move(bulk), ended.completion());
  EXPECT_THAT(ended.wait().value(), ElementsAre(Verdict::kDrop, Verdict::kRetry, Verdict::kSuccess));
}

TEST_F(GuestEvents, ABindingHearsTheAnswer) {
  app("from-header");
  const auto take = [&](std::string script) {
    Ended<bindings::AppAnswer> ended;
    app_->take({.binding = "b", .route = "b", .data = "d", .metadata = {{"script", std::move(script)}}, .trace = {}},
               ended.completion());
    return ended.wait();
  };
  EXPECT_EQ(take("echo").value().data, "d");
  const auto refused = take("status 500");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("the script says so"));
}

TEST_F(GuestEvents, UpdatesOfConfigurationGoToTheExport) {
  app("from-header");
  const auto update = [&](std::string script) {
    Ended<void> ended;
    app_->configuration_listener()->deliver(
        {.store = "c", .id = "i", .items = {{"script", {.value = std::move(script)}}}}, ended.completion());
    return ended.wait();
  };
  EXPECT_TRUE(update("hello"));
  EXPECT_THAT(update("status 400").error().message, HasSubstr("has not taken the update"));
}

TEST_F(GuestEvents, TheGuestIsAskedWhatItWants) {
  app("subscribes one two; hello");
  Ended<std::vector<config::Subscription>> topics;
  Ended<std::vector<std::string>> bindings;
  Ended<std::vector<configuration::Wish>> wishes;
  rig_.on([&] {
    app_->list_subscriptions(topics.completion());
    app_->list_bindings({}, bindings.completion());
    app_->list_wishes(wishes.completion());
  });
  const auto listed = topics.wait().value();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].pubsub_name, "one");
  EXPECT_EQ(listed[0].topic, "two");
  EXPECT_THAT(bindings.wait().value(), ElementsAre("two"));
  EXPECT_EQ(wishes.wait().value().at(0).store, "one");
}

TEST_F(GuestEvents, AGuestWithoutHttpHasNoRoutes) {
  app("hello");
  EXPECT_EQ(rig_.send(app_->handler(0), "")->wait().status(), 404);
  Ended<void> healthy;
  rig_.on([&] { app_->probe_health(1s, healthy.completion()); });
  EXPECT_TRUE(healthy.wait());
  EXPECT_EQ(rig_.made(), 0);
}

}  // namespace
}  // namespace tandem::app
