#include "components/grpc/pluggable_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <future>
#include <optional>

#include "base/testing/test_loop.h"
#include "components/grpc/testing/component_program.h"

namespace tandem::components::grpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class PluggableSocketsTest : public testing::Test {
 protected:
  static config::Component component(const std::string& type, const std::string& version = "v1") {
    config::Component component;
    component.name = "mine";
    component.type = type;
    component.version = version;
    component.init_timeout = seconds(10);
    return component;
  }
  std::string socket(const std::string& name) const { return folder_.path() + "/" + name; }

  // What a completion is given.
  template <class T, class Start>
  static Result<T> wait_for(Start start) {
    std::promise<Result<T>> promise;
    start([&](Result<T> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }

  const SocketFolder folder_;
  TestLoop loop_;
  const PluggableSockets sockets_{{.folder = folder_.path(), .timers = loop_}};
  const CallContext context_;
};

TEST_F(PluggableSocketsTest, ASocketIsWhatItServes) {
  StoreProgram store;
  BrokerProgram broker;
  const ComponentProgram one(socket("map.sock"), store.services());
  const ComponentProgram two(socket("hub.v2.socket"), broker.services());
  std::ofstream(socket("file.sock")) << "no socket";
  EXPECT_TRUE(sockets_.serves(component("state.map")).value());
  EXPECT_TRUE(sockets_.serves(component("state.Map", "")).value());
  EXPECT_TRUE(sockets_.serves(component("pubsub.hub.v2", "V1")).value());
  for (const char* type : {"pubsub.map", "state.hub.v2", "state.file", "state.other", "state", "lock.map"}) {
    EXPECT_FALSE(sockets_.serves(component(type)).value()) << type;
  }
  EXPECT_FALSE(sockets_.serves(component("state.map", "v2")).value());
}

TEST_F(PluggableSocketsTest, AFolderThatIsNotThereHasNone) {
  const PluggableSockets nowhere({.folder = folder_.path() + "/nothing", .timers = loop_});
  EXPECT_FALSE(nowhere.serves(component("state.map")).value());
}

TEST_F(PluggableSocketsTest, AFolderThatAnybodyCanMakeIsNotOneThatAnybodyCanWrite) {
  const std::filesystem::path folder = folder_.path() + "/shared";
  std::filesystem::create_directory(folder);
  const auto with_mode = [&](int mode) {
    std::filesystem::permissions(folder, std::filesystem::perms(mode));
    return check_sockets_folder(folder);
  };
  EXPECT_TRUE(with_mode(0700));
  EXPECT_TRUE(with_mode(0755));
  for (const int mode : {0777, 01777, 0775}) {
    const Status checked = with_mode(mode);
    ASSERT_FALSE(checked) << mode;
    EXPECT_EQ(checked.error().code, Code::kPermissionDenied);
    EXPECT_THAT(checked.error().message, HasSubstr("can be written by other users (mode "));
  }
  with_mode(0700);
  std::filesystem::create_directory_symlink(folder, folder_.path() + "/link");
  EXPECT_THAT(check_sockets_folder(folder_.path() + "/link").error().message, HasSubstr("is a link"));
  EXPECT_FALSE(check_sockets_folder(folder_.path() + "/nothing"));
}

TEST_F(PluggableSocketsTest, ASocketThatNobodyServesIsWaitedForInVain) {
  {
    StoreProgram store;
    const ComponentProgram gone(socket("map.sock"), store.services());
    std::filesystem::rename(socket("map.sock"), socket("left.sock"));
  }
  config::Component wanted = component("state.left");
  wanted.init_timeout = milliseconds(200);
  const Result<bool> served = sockets_.serves(wanted);
  ASSERT_FALSE(served);
  EXPECT_THAT(served.error().message, HasSubstr("pluggable component at " + socket("left.sock") + ": rpc error: "));
}

TEST_F(PluggableSocketsTest, AStoreIsInitialised) {
  StoreProgram program;
  const ComponentProgram served(socket("map.sock"), program.services());
  config::Component wanted = component("state.map");
  wanted.metadata = {{.name = "url", .value = "here"}, {.name = "PrimaryEncryptionKey", .value = "secret"}};
  auto made = sockets_.make_store(wanted);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(program.properties(), ElementsAre(Pair("url", "here")));
  EXPECT_THAT(made->features, ElementsAre("ETAG", "TRANSACTIONAL"));
  EXPECT_TRUE(made->store->features().transactional);
  EXPECT_FALSE(made->store->features().ttl);
  const auto value =
      wait_for<state::GetResponse>([&](auto done) { made->store->get(context_, {.key = "k"}, std::move(done)); });
  EXPECT_EQ(*value->data, "of k");
  EXPECT_TRUE(wait_for<void>([&](auto done) { made->store->ping(context_, std::move(done)); }));

  // More than it takes at once.
  const auto transact = [&](std::size_t count) {
    std::vector<state::Operation> operations(count, state::SetRequest{.key = "k", .value = share("1")});
    return wait_for<void>([&](auto done) { made->store->transact(context_, std::move(operations), std::move(done)); });
  };
  EXPECT_TRUE(transact(2));
  EXPECT_THAT(transact(3).error().message,
              "the transaction contains 3 operations, more than what the state store supports: 2");
  EXPECT_EQ(program.transactions(), 1);
}

TEST_F(PluggableSocketsTest, AStoreThatRefusesSaysWhy) {
  StoreProgram program;
  program.initialised = {::grpc::StatusCode::UNAUTHENTICATED, "no licence"};
  const ComponentProgram served(socket("map.sock"), program.services());
  EXPECT_EQ(sockets_.make_store(component("state.map")).error().message,
            "pluggable component at " + socket("map.sock") + ": rpc error: code = Unauthenticated desc = no licence");
}

TEST_F(PluggableSocketsTest, CallsEndInTime) {
  StoreProgram program;
  const ComponentProgram served(socket("map.sock"), program.services());
  auto made = sockets_.make_store(component("state.map"));
  ASSERT_TRUE(made);
  CallContext soon;
  soon.deadline = steady_clock::now() + milliseconds(50);
  const auto late =
      wait_for<state::GetResponse>([&](auto done) { made->store->get(soon, {.key = "slow"}, std::move(done)); });
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);

  // A close ends what is under way, and nothing begins after it.
  std::promise<Code> ended;
  made->store->get(context_, {.key = "slow"},
                   [&](const Result<state::GetResponse>& result) { ended.set_value(result.error().code); });
  made->store->close(steady_clock::now());
  EXPECT_EQ(ended.get_future().get(), Code::kCancelled);
  const auto after =
      wait_for<state::GetResponse>([&](auto done) { made->store->get(context_, {.key = "k"}, std::move(done)); });
  EXPECT_EQ(after.error().code, Code::kCancelled);
}

TEST_F(PluggableSocketsTest, AProgramThatIsStartedAgainIsInitialisedFirst) {
  StoreProgram program;
  std::optional<ComponentProgram> served(std::in_place, socket("map.sock"), program.services());
  auto made = sockets_.make_store(component("state.map"));
  ASSERT_TRUE(made);
  const auto get = [&] {
    return wait_for<state::GetResponse>([&](auto done) { made->store->get(context_, {.key = "k"}, std::move(done)); });
  };
  EXPECT_TRUE(get());
  EXPECT_EQ(program.initialisations(), 1);
  served.reset();
  EXPECT_EQ(get().error().code, Code::kUnavailable);
  program.initialised = {::grpc::StatusCode::UNAUTHENTICATED, "no licence"};
  served.emplace(socket("map.sock"), program.services());
  ASSERT_TRUE(loop_.run_until([&] { return program.initialisations() > 1 || get(); }));
  EXPECT_EQ(get().error().code, Code::kUnauthenticated);
  program.initialised = {};
  EXPECT_TRUE(get());
  const int before = program.initialisations();
  EXPECT_TRUE(get());
  EXPECT_EQ(program.initialisations(), before);
}

TEST_F(PluggableSocketsTest, MessagesComeOneAfterTheOther) {
  BrokerProgram program;
  program.messages = {"a", "b", "c"};
  const ComponentProgram served(socket("hub.sock"), program.services());
  auto made = sockets_.make_broker(component("pubsub.hub"), "app");
  ASSERT_TRUE(made) << made.error().message;
  std::mutex mutex;
  std::vector<std::pair<std::string, Completion<pubsub::Verdict>>> waiting;
  auto subscription = made->broker->subscribe(
      "orders", "app", {}, [&](const pubsub::Message& message, Completion<pubsub::Verdict> done) {
        const std::lock_guard lock(mutex);
        waiting.emplace_back(message.topic + " " + *message.data, std::move(done));
      });
  ASSERT_TRUE(subscription);
  const auto has = [&](std::size_t count) {
    return loop_.run_until([&] {
      const std::lock_guard lock(mutex);
      return waiting.size() == count;
    });
  };
  const auto answer = [&](Result<pubsub::Verdict> verdict) {
    Completion<pubsub::Verdict> done;
    {
      const std::lock_guard lock(mutex);
      done = std::move(waiting.back().second);
    }
    done(std::move(verdict));
  };
  ASSERT_TRUE(has(1));
  EXPECT_EQ(waiting[0].first, "orders a");
  answer(pubsub::Verdict::kSuccess);
  ASSERT_TRUE(has(2));
  answer(pubsub::Verdict::kRetry);
  ASSERT_TRUE(has(3));
  ASSERT_TRUE(loop_.run_until([&] { return program.heard().size() == 2; }));
  const auto heard = program.heard();
  EXPECT_EQ(heard[0].ack_message_id(), "id 0");
  EXPECT_FALSE(heard[0].has_ack_error());
  EXPECT_EQ(heard[1].ack_message_id(), "id 1");
  EXPECT_EQ(heard[1].ack_error().message(), "the app has not taken the message");
  // One that is under way holds up no end, and is not acknowledged after it.
  subscription->reset();
  answer(pubsub::Verdict::kSuccess);
  made->broker->close(steady_clock::now() + seconds(10));
  EXPECT_EQ(program.heard().size(), 2u);
}

TEST_F(PluggableSocketsTest, AStreamThatEndsBeginsAgain) {
  BrokerProgram program;
  std::optional<ComponentProgram> served(std::in_place, socket("hub.sock"), program.services());
  auto made = sockets_.make_broker(component("pubsub.hub"), "app");
  ASSERT_TRUE(made) << made.error().message;
  auto subscription = made->broker->subscribe(
      "orders", "app", {},
      [](const pubsub::Message&, Completion<pubsub::Verdict> done) { done(pubsub::Verdict::kSuccess); });
  ASSERT_TRUE(subscription);
  ASSERT_TRUE(loop_.run_until([&] { return program.streams() == 1; }));
  served.reset();
  program.messages = {"a"};
  served.emplace(socket("hub.sock"), program.services());
  ASSERT_TRUE(loop_.run_until([&] {
    loop_.advance(seconds(10));
    return program.heard().size() == 1;
  }));
  subscription->reset();
  made->broker->close(steady_clock::now() + seconds(10));
}

TEST_F(PluggableSocketsTest, AConnectionThatBrokeUnderAStreamIsInitialisedAgain) {
  for (const auto& [status, initialisations] :
       {std::pair(::grpc::Status(::grpc::StatusCode::UNAVAILABLE, "socket closed"), 2),
        std::pair(::grpc::Status(::grpc::StatusCode::INTERNAL, "its own trouble"), 1)}) {
    BrokerProgram program;
    program.first_stream_ends = status;
    const ComponentProgram served(socket("hub.sock"), program.services());
    auto made = sockets_.make_broker(component("pubsub.hub"), "app");
    ASSERT_TRUE(made) << made.error().message;
    auto subscription = made->broker->subscribe(
        "orders", "app", {},
        [](const pubsub::Message&, Completion<pubsub::Verdict> done) { done(pubsub::Verdict::kSuccess); });
    ASSERT_TRUE(subscription);
    ASSERT_TRUE(loop_.run_until([&] {
      loop_.advance(seconds(10));
      return program.streams() == 2;
    }));
    EXPECT_EQ(program.initialisations(), initialisations);
    subscription->reset();
    made->broker->close(steady_clock::now() + seconds(10));
  }
}

}  // namespace
}  // namespace tandem::components::grpc
