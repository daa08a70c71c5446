// GuestPool: who gets which instance, how long instances live, and what a client is told when there is none.

#include "app/guest_pool.h"

#include "app/testing/test_guests.h"

namespace tandem::app {
namespace {

using End = GuestObserver::End;
using net::wait_for;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

// More than an answer's buffers take: its guest is busy until the client takes it.
constexpr const char* kLong = "stream 200";

TEST(GuestPool, AnInstanceIsUsedAgain) {
  Rig rig;
  GuestPool& pool = rig.pool("hello");
  const auto first = rig.send(pool, "");
  EXPECT_EQ(first->wait().body(), "hello");
  EXPECT_EQ(first->status(), 200);
  const auto second = rig.send(pool, "");
  EXPECT_EQ(second->wait().instance(), first->instance());
  EXPECT_EQ(second->header("fake-call"), "2");
  EXPECT_EQ(rig.made(), 1);
  EXPECT_EQ(rig.count(End::kAnswered), 2);
}

TEST(GuestPool, TheInstanceThatWasBusyLastIsTakenFirst) {
  Rig rig;
  GuestPool& pool = rig.pool();
  // Two at once, so that there are two; the one that ends last is the warmest.
  const auto held = rig.send_held(pool, kLong);
  ASSERT_TRUE(wait_for([&] { return held->held(); }));
  const auto other = rig.send(pool, "hello");
  other->wait();
  held->take_all();
  held->wait();
  EXPECT_NE(held->instance(), other->instance());
  EXPECT_EQ(rig.send(pool, "hello")->wait().instance(), held->instance());
  EXPECT_EQ(rig.send(pool, "hello")->wait().instance(), held->instance());
  EXPECT_EQ(rig.on([&] { return pool.instances(); }), 2u);
}

TEST(GuestPool, IsolationGivesEveryRequestAFreshInstance) {
  Rig rig;
  rig.options.isolation = config::Isolation::kRequest;
  GuestPool& pool = rig.pool("hello");
  const auto first = rig.send(pool, "");
  const auto second = rig.send(pool, "");
  EXPECT_NE(first->wait().instance(), second->wait().instance());
  EXPECT_EQ(rig.on([&] { return pool.instances(); }), 0u);
  EXPECT_EQ(rig.gone(), 2);
}

TEST(GuestPool, AnInstanceIsReplacedAfterItsLastRequest) {
  Rig rig;
  rig.options.instance_max_requests = 2;
  GuestPool& pool = rig.pool("hello");
  EXPECT_EQ(rig.send(pool, "")->wait().header("fake-call"), "1");
  EXPECT_EQ(rig.send(pool, "")->wait().header("fake-call"), "2");
  EXPECT_EQ(rig.send(pool, "")->wait().header("fake-call"), "1");
}

TEST(GuestPool, AnOldAnInflatedAndALeakingInstanceAreReplaced) {
  Rig rig;
  rig.options.instance_max_age = 0s;
  EXPECT_EQ(rig.send(rig.pool("hello"), "")->wait().status(), 200);
  EXPECT_EQ(rig.gone(), 1);

  rig.options = {};
  rig.options.instance_retire_bytes = 4 << 20;
  GuestPool& growing = rig.pool();
  rig.send(growing, "grow 3; hello")->wait();
  EXPECT_EQ(rig.send(growing, "hello")->wait().header("fake-call"), "2");
  rig.send(growing, "grow 4; hello")->wait();
  EXPECT_EQ(rig.send(growing, "hello")->wait().header("fake-call"), "1");

  rig.options = {};
  rig.options.instance_max_handles = 2;
  GuestPool& leaking = rig.pool("leak; hello");
  rig.send(leaking, "")->wait();
  EXPECT_EQ(rig.send(leaking, "")->wait().header("fake-call"), "2");
  EXPECT_EQ(rig.send(leaking, "")->wait().header("fake-call"), "1");
}

TEST(GuestPool, ATrapReplacesTheInstanceAndTheQueueGoesOn) {
  Rig rig;
  GuestPool& pool = rig.pool("from-header", 0, 1);
  // Suspended first, so that the second request has to wait.
  const auto trapped = rig.send(pool, "suspend 2; trap");
  const auto waiting = rig.send(pool, "hello");
  EXPECT_EQ(trapped->wait().status(), 500);
  EXPECT_EQ(waiting->wait().status(), 200);
  EXPECT_EQ(waiting->header("fake-call"), "1");
  EXPECT_EQ(rig.made(), 2);
  EXPECT_EQ(rig.count(End::kTrapped), 1);
}

TEST(GuestPool, WithoutRoomForAnotherInstanceTheQueueWaitsForOneOfThem) {
  Rig rig(1, 2);
  GuestPool& pool = rig.pool("from-header", 0, 8);
  const auto trapped = rig.send(pool, "suspend 2; trap");
  std::vector<decltype(rig.send(pool, ""))> others;
  for (int i = 0; i < 5; ++i) others.push_back(rig.send(pool, "suspend 5; hello"));
  EXPECT_EQ(trapped->wait().status(), 500);
  for (const auto& other : others) EXPECT_EQ(other->wait().status(), 200);
}

TEST(GuestPool, SaysWhatAGuestDidNotAnswer) {
  Rig rig;
  GuestPool& pool = rig.pool();
  EXPECT_EQ(rig.send(pool, "leak")->wait().status(), 502);
  EXPECT_EQ(rig.count(End::kUnanswered), 1);
  EXPECT_EQ(rig.send(pool, "error internal-error")->wait().status(), 500);
  EXPECT_EQ(rig.send(pool, "hello; trap")->wait().body(), "hello");
  // Cut: the client must not take it for complete.
  const auto cut = rig.send(pool, "stream 100; cut");
  EXPECT_THAT(cut->wait().error(), HasSubstr("cut off"));
  EXPECT_EQ(cut->body().size(), 100u * 1024);
}

TEST(GuestPool, AFullQueueIsRefusedAndSaysWhenToComeBack) {
  Rig rig;
  rig.options.max_queue = 1;
  GuestPool& pool = rig.pool("from-header", 0, 1);
  const auto busy = rig.send_held(pool, kLong);
  ASSERT_TRUE(wait_for([&] { return busy->held(); }));
  const auto queued = rig.send(pool, "hello");
  const auto refused = rig.send(pool, "hello");
  EXPECT_EQ(refused->wait().status(), 503);
  EXPECT_EQ(refused->header("retry-after"), "1");
  EXPECT_FALSE(queued->over());
  busy->take_all();
  EXPECT_EQ(queued->wait().status(), 200);
  EXPECT_EQ(rig.count(End::kRejected), 1);
}

TEST(GuestPool, ADeadlineEndsTheWaitInTheQueueAndTheCall) {
  Rig rig;
  rig.options.request_timeout = 100ms;
  GuestPool& pool = rig.pool("from-header", 0, 1);
  const auto hanging = rig.send(pool, "never-answer");
  TestRequest soon{.script = "hello"};
  soon.context.deadline = std::chrono::steady_clock::now() + 20ms;
  const auto queued = rig.send(pool, std::move(soon));
  EXPECT_EQ(queued->wait().status(), 504);
  EXPECT_EQ(hanging->wait().status(), 504);
  EXPECT_EQ(rig.count(End::kDeadline), 2);
  // The instance that hung is gone, and its place is free.
  EXPECT_EQ(rig.send(pool, "hello")->wait().status(), 200);
  EXPECT_EQ(rig.made(), 2);
}

TEST(GuestPool, ASpinningGuestLeavesTheWorkerToOthersUntilItsDeadline) {
  Rig rig;
  rig.options.request_timeout = 200ms;
  GuestPool& pool = rig.pool();
  const auto spinning = rig.send(pool, "spin");
  EXPECT_EQ(rig.send(pool, "hello")->wait().status(), 200);
  EXPECT_FALSE(spinning->over());
  EXPECT_EQ(spinning->wait().status(), 504);
}

TEST(GuestPool, ADeadlineCutsAStreamThatHasBegun) {
  Rig rig;
  rig.options.request_timeout = 50ms;
  GuestPool& pool = rig.pool();
  const auto seen = rig.send(pool, "stream 1; never-answer");
  EXPECT_EQ(seen->wait().status(), 200);
  EXPECT_EQ(seen->body().size(), 1024u);
  EXPECT_THAT(seen->error(), HasSubstr("cut off"));
}

TEST(GuestPool, StopsWhenTheCallsUnderWayAreDone) {
  Rig rig;
  GuestPool& pool = rig.pool("from-header", 0, 1);
  const auto busy = rig.send_held(pool, kLong);
  ASSERT_TRUE(wait_for([&] { return busy->held(); }));
  const auto queued = rig.send(pool, "hello");
  std::atomic<bool> idle = false;
  rig.on([&] { pool.stop([&] { idle = true; }); });
  EXPECT_EQ(queued->wait().status(), 503);
  EXPECT_EQ(rig.send(pool, "hello")->wait().status(), 503);
  EXPECT_FALSE(idle);
  busy->take_all();
  busy->wait();
  EXPECT_TRUE(wait_for([&] { return idle.load(); }));
  EXPECT_EQ(rig.on([&] { return pool.instances(); }), 0u);
}

TEST(GuestPool, ClearStopsGuestsWhereverTheyAre) {
  Rig rig;
  GuestPool& pool = rig.pool();
  const auto hanging = rig.send(pool, "never-answer");
  const auto suspended = rig.send(pool, "suspend 500000; hello");
  const auto spinning = rig.send(pool, "spin");
  rig.on([&] {
    pool.stop([] { ADD_FAILURE() << "calls are under way"; });
    pool.clear();
  });
  EXPECT_EQ(hanging->wait().status(), 500);
  EXPECT_EQ(suspended->wait().status(), 500);
  EXPECT_EQ(spinning->wait().status(), 500);
}

TEST(GuestPool, IdleInstancesAboveTheMinimumGo) {
  Rig rig;
  rig.options.idle_timeout = 1s;
  GuestPool& pool = rig.pool("hello", 1);
  ASSERT_TRUE(rig.on([&] { return pool.warm_up(); }));
  EXPECT_EQ(rig.made(), 1);
  GuestPool& other = rig.pool("never-answer", 0);
  rig.send(other, "");
  EXPECT_EQ(rig.on([&] { return other.instances(); }), 1u);
  const auto begin = std::chrono::steady_clock::now();
  GuestPool& idle = rig.pool("hello", 0);
  rig.send(idle, "")->wait();
  EXPECT_EQ(rig.on([&] { return idle.instances(); }), 1u);
  EXPECT_TRUE(wait_for([&] { return rig.on([&] { return idle.instances(); }) == 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
  // The minimum stays, and so does a busy one.
  EXPECT_EQ(rig.on([&] { return pool.instances(); }), 1u);
  EXPECT_EQ(rig.on([&] { return other.instances(); }), 1u);
}

TEST(GuestPool, WarmUpMakesTheMinimum) {
  Rig rig;
  GuestPool& pool = rig.pool("hello", 3);
  ASSERT_TRUE(rig.on([&] { return pool.warm_up(); }));
  EXPECT_EQ(rig.on([&] { return pool.instances(); }), 3u);
  EXPECT_EQ(rig.on([&] { return pool.busy(); }), 0u);
}

TEST(GuestPool, AModuleThatCannotStartIsToldWhenItIsCalled) {
  Rig rig;
  GuestPool& pool = rig.pool("fails-to-start; hello");
  EXPECT_EQ(rig.send(pool, "")->wait().status(), 500);
  EXPECT_EQ(rig.send(pool, "")->wait().status(), 500);
  EXPECT_EQ(rig.on([&] { return pool.instances(); }), 0u);
}

TEST(GuestPool, WithoutASlotCallsWaitForAnInstanceOfTheirOwnPool) {
  Rig rig(1, 1);
  GuestPool& pool = rig.pool("from-header", 0, 4);
  const auto busy = rig.send_held(pool, kLong);
  ASSERT_TRUE(wait_for([&] { return busy->held(); }));
  // The process has one slot, the pool may have four: the second call is queued.
  const auto queued = rig.send(pool, "hello");
  const auto third = rig.send(pool, "hello");
  busy->take_all();
  EXPECT_EQ(queued->wait().status(), 200);
  EXPECT_EQ(third->wait().status(), 200);
  EXPECT_EQ(rig.made(), 1);
  // Another pool has nobody to wait for.
  EXPECT_EQ(rig.send(rig.pool("hello"), "")->wait().status(), 503);
}

}  // namespace
}  // namespace tandem::app
