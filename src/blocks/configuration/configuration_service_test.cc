#include "blocks/configuration/configuration_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "base/testing/test_loop.h"

namespace tandem::configuration {
namespace {

using testing::ElementsAre;

class TestStore final : public Store {
 public:
  void get(const CallContext&, std::vector<std::string> keys, Metadata, Completion<Items> done) override {
    if (keys == std::vector<std::string>{"a", "broken"}) return done(fail(Code::kUnavailable, "on fire"));
    done(Items{{"a", {.value = "1"}}});
  }
  void subscribe(const CallContext&, SubscribeRequest request, std::shared_ptr<Watcher> watcher,
                 Completion<void> done) override {
    if (request.keys == std::vector<std::string>{"broken"}) return done(fail(Code::kUnavailable, "on fire"));
    watchers[request.id] = std::move(watcher);
    // A change before the subscriber knows its subscription.
    if (request.keys == std::vector<std::string>{"early"}) watchers[request.id]->changed({{"early", {.value = "1"}}});
    done({});
  }
  void unsubscribe(const CallContext&, std::string id, Completion<void> done) override {
    watchers.erase(id);
    done({});
  }
  void change(const std::string& key, const std::string& value) {
    for (const auto& [id, watcher] : watchers) watcher->changed({{key, {.value = value}}});
  }

  std::map<std::string, std::shared_ptr<Watcher>> watchers;
};

// Takes an update when the test says so.
class TestListener final : public Listener {
 public:
  void deliver(Update update, Completion<void> done) override {
    for (const auto& [key, item] : update.items) got.push_back(key + "=" + item.value);
    last_id = update.id;
    taken = std::move(done);
    if (at_once) std::exchange(taken, nullptr)({});
  }
  void ended() override { ++ends; }

  std::vector<std::string> got;
  std::string last_id;
  Completion<void> taken;
  bool at_once = true;
  int ends = 0;
};

class ConfigurationServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = std::make_unique<TestStore>();
    store_ = store.get();
    ASSERT_TRUE(service_.add({.name = "items", .store = std::move(store)}));
    ASSERT_TRUE(service_.add({.name = "theirs", .store = std::make_unique<TestStore>(), .scopes = {"b"}}));
    context_.app_id = "a";
  }
  Result<std::string> subscribe(std::vector<std::string> keys = {}, std::string_view store = "items") {
    std::optional<Result<std::string>> got;
    service_.subscribe({context_, loop_}, store, std::move(keys), {}, listener_, [&](Result<std::string> id) {
      // Nothing comes before the id.
      EXPECT_TRUE(listener_->got.empty());
      got = std::move(id);
    });
    EXPECT_TRUE(got);
    return *got;
  }
  Result<void> unsubscribe(std::string id, std::string_view store = "items") {
    std::optional<Result<void>> got;
    service_.unsubscribe({context_, loop_}, store, std::move(id), [&](Result<void> result) { got = result; });
    loop_.run_ready();
    return *got;
  }

  TestLoop loop_;
  CallContext context_;
  TestStore* store_ = nullptr;
  const std::shared_ptr<TestListener> listener_ = std::make_shared<TestListener>();
  ConfigurationService service_;
};

TEST_F(ConfigurationServiceTest, FailsInDaprsWords) {
  const auto get = [&](std::string_view store, std::vector<std::string> keys) {
    Error error;
    service_.get({context_, loop_}, store, std::move(keys), {}, [&](Result<Items> items) { error = items.error(); });
    return error;
  };
  EXPECT_EQ(get("nowhere", {}).message, "configuration store nowhere not found");
  EXPECT_EQ(get("theirs", {}).reason, "ERR_CONFIGURATION_STORE_NOT_FOUND");
  EXPECT_EQ(get("items", {"a", "broken"}).message, "failed to get [a broken] from Configuration store items: on fire");
  const Error refused = subscribe({"broken"}).error();
  EXPECT_EQ(refused.reason, "ERR_CONFIGURATION_SUBSCRIBE");
  EXPECT_EQ(refused.message, "failed to subscribe [broken] from Configuration store items: on fire");
  EXPECT_EQ(subscribe({}, "theirs").error().reason, "ERR_CONFIGURATION_STORE_NOT_FOUND");
  EXPECT_EQ(unsubscribe("none").error().message, "subscription with id none does not exist");
  const ConfigurationService none;
  EXPECT_EQ(none.check_store("items", "a").error().reason, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED");
}

TEST_F(ConfigurationServiceTest, TellsChangesOneAfterTheOther) {
  const std::string id = *subscribe();
  listener_->at_once = false;
  store_->change("a", "1");
  store_->change("b", "1");
  store_->change("a", "2");
  store_->change("b", "2");
  store_->change("b", "3");
  loop_.run_ready();
  EXPECT_THAT(listener_->got, ElementsAre("a=1"));
  EXPECT_EQ(listener_->last_id, id);
  listener_->at_once = true;
  // What has changed again meanwhile comes once.
  std::exchange(listener_->taken, nullptr)(fail(Code::kInternal, "not taken"));
  loop_.run_ready();
  EXPECT_THAT(listener_->got, ElementsAre("a=1", "b=3", "a=2"));
}

TEST_F(ConfigurationServiceTest, TheIdComesBeforeTheFirstUpdate) {
  ASSERT_TRUE(subscribe({"early"}));
  loop_.run_ready();
  EXPECT_THAT(listener_->got, ElementsAre("early=1"));
}

TEST_F(ConfigurationServiceTest, EndsWhatIsTheApps) {
  const std::string id = *subscribe();
  context_.app_id = "other";
  EXPECT_FALSE(unsubscribe(id));
  context_.app_id = "a";
  EXPECT_FALSE(unsubscribe(id, "theirs"));
  const auto watcher = store_->watchers.at(id);
  EXPECT_TRUE(unsubscribe(id));
  EXPECT_EQ(listener_->ends, 1);
  EXPECT_TRUE(store_->watchers.empty());
  watcher->changed({{"a", {.value = "late"}}});
  loop_.run_ready();
  EXPECT_TRUE(listener_->got.empty());
  EXPECT_FALSE(unsubscribe(id));
}

TEST_F(ConfigurationServiceTest, AStopEndsAll) {
  ASSERT_TRUE(subscribe({"a"}));
  ASSERT_TRUE(subscribe({"b"}));
  service_.stop_subscriptions();
  loop_.run_ready();
  EXPECT_EQ(listener_->ends, 2);
  EXPECT_TRUE(store_->watchers.empty());
  EXPECT_EQ(subscribe({"a"}).error().message,
            "failed to subscribe [a] from Configuration store items: the process stops");
}

}  // namespace
}  // namespace tandem::configuration
