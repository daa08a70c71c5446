#include "blocks/state/state_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/testing/test_loop.h"

namespace tandem::state {
namespace {

using testing::ElementsAre;

enum class Manner { kDeclaredInPlace, kHappensInPlace, kLate };

// A map; how its completions come back is the test's choice. With `failure` every call fails.
class FakeStore final : public Store {
 public:
  FakeStore(Manner manner, TestLoop& own_loop) : manner_(manner), own_loop_(own_loop) {}

  Features features() const override { return features_; }
  bool in_place() const override { return manner_ == Manner::kDeclaredInPlace; }
  void ping(const CallContext&, Completion<void> done) override { finish<void>({}, std::move(done)); }

  void get(const CallContext&, const GetRequest& request, Completion<GetResponse> done) override {
    GetResponse response;
    if (const auto found = values_.find(request.key); found != values_.end()) response.data = found->second;
    finish<GetResponse>(std::move(response), std::move(done));
  }
  void set(const CallContext&, SetRequest request, Completion<void> done) override {
    last_ttl_ = request.ttl_seconds;
    values_[request.key] = request.value;
    finish<void>({}, std::move(done));
  }
  void remove(const CallContext&, DeleteRequest request, Completion<void> done) override {
    values_.erase(request.key);
    finish<void>({}, std::move(done));
  }
  void transact(const CallContext&, std::vector<Operation> operations, Completion<void> done) override {
    for (Operation& operation : operations) {
      std::visit([&](auto& request) { transaction_keys_.push_back(request.key); }, operation);
    }
    finish<void>({}, std::move(done));
  }

  std::map<std::string, SharedBytes, std::less<>> values_;
  std::vector<std::string> transaction_keys_;
  std::optional<std::int64_t> last_ttl_;
  std::optional<Error> failure_;
  Features features_{.etag = true, .transactional = true, .ttl = true};

 private:
  template <class T>
  void finish(Result<T> result, Completion<T> done) {
    if (failure_) result = std::unexpected(*failure_);
    if (manner_ != Manner::kLate) return done(std::move(result));
    own_loop_.post([result = std::move(result), done = std::move(done)]() mutable { done(std::move(result)); });
  }

  const Manner manner_;
  TestLoop& own_loop_;
};

class StateServiceTest : public testing::Test {
 protected:
  FakeStore& add(std::string name, Manner manner = Manner::kDeclaredInPlace, KeyPrefix prefix = KeyPrefix::kAppId,
                 std::string custom = "", std::vector<std::string> scopes = {}) {
    auto store = std::make_unique<FakeStore>(manner, store_loop_);
    FakeStore& reference = *store;
    EXPECT_TRUE(service_.add({std::move(name), std::move(store), prefix, std::move(custom), std::move(scopes)}));
    return reference;
  }

  Caller caller() { return {context_, loop_}; }

  // Runs both loops until the result is there.
  template <class T, class Call>
  Result<T> wait(Call call) {
    std::optional<Result<T>> result;
    call([&](Result<T> r) { result = std::move(r); });
    EXPECT_TRUE(loop_.run_until([&] {
      store_loop_.run_ready();
      return result.has_value();
    }));
    return std::move(*result);
  }
  Result<void> set(std::string_view store, SetRequest request) {
    return wait<void>(
        [&](Completion<void> done) { service_.set(caller(), store, std::move(request), std::move(done)); });
  }
  Result<GetResponse> get(std::string_view store, std::string_view key) {
    return wait<GetResponse>(
        [&](Completion<GetResponse> done) { service_.get(caller(), store, {.key = key}, std::move(done)); });
  }

  TestLoop loop_;
  TestLoop store_loop_;
  CallContext context_{.app_id = "orders"};
  StateService service_{"prod"};
};

TEST_F(StateServiceTest, AnInPlaceGetPostsNothing) {
  for (const Manner manner : {Manner::kDeclaredInPlace, Manner::kHappensInPlace}) {
    const std::string name = manner == Manner::kDeclaredInPlace ? "a" : "b";
    add(name, manner).values_["orders||k"] = share("v");
    bool done = false;
    service_.get(caller(), name, {.key = "k"}, [&](Result<GetResponse> result) {
      done = true;
      EXPECT_EQ(*result->data, "v");
    });
    EXPECT_TRUE(done);
    EXPECT_EQ(loop_.posted(), 0);
  }
}

TEST_F(StateServiceTest, AValueIsNotCopiedOnItsWay) {
  const SharedBytes value = share("v");
  add("a").values_["orders||k"] = value;
  EXPECT_EQ(get("a", "k")->data.get(), value.get());
}

TEST_F(StateServiceTest, ALateCompletionIsPostedToTheCallersExecutor) {
  add("a", Manner::kLate).values_["orders||k"] = share("v");
  bool done = false;
  service_.get(caller(), "a", {.key = "k"}, [&](Result<GetResponse> result) { done = result.has_value(); });
  EXPECT_FALSE(done);
  store_loop_.run_ready();
  EXPECT_FALSE(done);
  EXPECT_EQ(loop_.posted(), 1);
  loop_.run_ready();
  EXPECT_TRUE(done);
}

TEST_F(StateServiceTest, ANestedCallFromACompletionStaysInPlace) {
  FakeStore& store = add("a", Manner::kHappensInPlace);
  store.values_["orders||first"] = share("second");
  store.values_["orders||second"] = share("end");
  std::string end;
  service_.get(caller(), "a", {.key = "first"}, [&](Result<GetResponse> result) {
    const std::string next = *result->data;
    service_.get(caller(), "a", {.key = next}, [&](Result<GetResponse> inner) { end = *inner->data; });
    EXPECT_EQ(end, "end");
  });
  EXPECT_EQ(end, "end");
  EXPECT_EQ(loop_.posted(), 0);
}

TEST_F(StateServiceTest, KeysCarryTheStoresPrefix) {
  struct Case {
    std::string key_prefix;
    std::string stored;
  };
  int number = 0;
  for (const Case& c :
       {Case{"", "orders||k"}, Case{"appid", "orders||k"}, Case{"AppId", "orders||k"}, Case{"name", "store4||k"},
        Case{"namespace", "prod.orders||k"}, Case{"none", "k"}, Case{"Shared", "shared||k"}}) {
    const KeyPrefixChoice choice = parse_key_prefix(c.key_prefix).value();
    const std::string name = "store" + std::to_string(++number);
    FakeStore& store = add(name, Manner::kDeclaredInPlace, choice.prefix, choice.custom);
    ASSERT_TRUE(set(name, {.key = "k", .value = share("v")})) << c.key_prefix;
    EXPECT_EQ(store.values_.begin()->first, c.stored) << c.key_prefix;
    EXPECT_EQ(*get(name, "k")->data, "v") << c.key_prefix;
  }
}

TEST_F(StateServiceTest, TheNamespacePrefixFallsBackToTheAppIdWithoutANamespace) {
  StateService service("");
  auto store = std::make_unique<FakeStore>(Manner::kDeclaredInPlace, store_loop_);
  FakeStore& reference = *store;
  ASSERT_TRUE(service.add({"s", std::move(store), KeyPrefix::kNamespace, "", {}}));
  service.set(caller(), "s", {.key = "k", .value = share("v")}, [](Result<void> result) { EXPECT_TRUE(result); });
  EXPECT_EQ(reference.values_.begin()->first, "orders||k");
}

TEST_F(StateServiceTest, VeryLongKeysWork) {
  add("a");
  const std::string key(5000, 'k');
  ASSERT_TRUE(set("a", {.key = key, .value = share("v")}));
  EXPECT_EQ(*get("a", key)->data, "v");
}

TEST_F(StateServiceTest, KeysWithTheSeparatorAreRefused) {
  add("a");
  const Error error = get("a", "x||y").error();
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.reason, "ERR_MALFORMED_REQUEST");
  EXPECT_EQ(error.message, "input key/keyPrefix 'x||y' can't contain '||'");
  EXPECT_EQ(set("a", {.key = "x||y"}).error().reason, "ERR_MALFORMED_REQUEST");
  EXPECT_EQ(set("a", {.key = ""}).error().message, "\"key\" is a required field");
  EXPECT_TRUE(get("a", ""));
  EXPECT_EQ(parse_key_prefix("my||prefix").error().message, "input key/keyPrefix 'my||prefix' can't contain '||'");
}

TEST_F(StateServiceTest, UnknownStoresAndScopes) {
  EXPECT_EQ(get("a", "k").error().reason, "ERR_STATE_STORE_NOT_CONFIGURED");
  EXPECT_EQ(get("a", "k").error().code, Code::kFailedPrecondition);
  EXPECT_EQ(get("a", "k").error().message, "state store a is not configured");

  add("theirs", Manner::kDeclaredInPlace, KeyPrefix::kAppId, "", {"other"});
  EXPECT_EQ(get("theirs", "k").error().reason, "ERR_STATE_STORE_NOT_CONFIGURED");
  add("mine", Manner::kDeclaredInPlace, KeyPrefix::kAppId, "", {"orders", "other"});
  const Error error = get("theirs", "k").error();
  EXPECT_EQ(error.reason, "ERR_STATE_STORE_NOT_FOUND");
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.message, "state store theirs is not found");
  EXPECT_TRUE(get("mine", "k").has_value());
  EXPECT_THAT(service_.store_names("orders"), ElementsAre("mine"));
  EXPECT_THAT(service_.store_names("other"), ElementsAre("mine", "theirs"));
}

TEST_F(StateServiceTest, FailuresOfTheStoreAreDaprsErrors) {
  for (const Manner manner : {Manner::kDeclaredInPlace, Manner::kLate}) {
    const std::string name = manner == Manner::kLate ? "late" : "now";
    add(name, manner).failure_ = make_error(Code::kUnavailable, "broken");
    EXPECT_EQ(get(name, "k").error().message, "fail to get k from state store " + name + ": broken");
    EXPECT_EQ(get(name, "k").error().reason, "ERR_STATE_GET");
    EXPECT_EQ(get(name, "k").error().code, Code::kInternal);
    EXPECT_EQ(set(name, {.key = "k"}).error().message, "failed saving state in state store " + name + ": broken");
    EXPECT_EQ(set(name, {.key = "k"}).error().reason, "ERR_STATE_SAVE");
    const Error deleted = wait<void>([&](Completion<void> done) {
                            service_.remove(caller(), name, {.key = "k"}, std::move(done));
                          }).error();
    EXPECT_EQ(deleted.message, "failed deleting state with key k: broken");
    EXPECT_EQ(deleted.reason, "ERR_STATE_DELETE");
    const Error bulk = wait<void>([&](Completion<void> done) {
                         service_.bulk_remove(caller(), name, {{.key = "k"}}, std::move(done));
                       }).error();
    EXPECT_EQ(bulk.message, "failed deleting state in state store " + name + ": broken");
    EXPECT_EQ(bulk.reason, "ERR_STATE_BULK_DELETE");
    const Error transaction = wait<void>([&](Completion<void> done) {
                                service_.transact(caller(), name, {SetRequest{.key = "k"}}, std::move(done));
                              }).error();
    EXPECT_EQ(transaction.message, "error while executing state transaction: broken");
    EXPECT_EQ(transaction.reason, "ERR_STATE_TRANSACTION");
  }
}

TEST_F(StateServiceTest, ETagFailuresKeepTheirCode) {
  FakeStore& store = add("a");
  store.failure_ = etag_mismatch("");
  const Error mismatch = set("a", {.key = "k"}).error();
  EXPECT_EQ(mismatch.code, Code::kAborted);
  EXPECT_EQ(mismatch.reason, "ERR_STATE_SAVE");
  EXPECT_EQ(mismatch.message, "failed saving state in state store a: possible etag mismatch. error from state store");
  EXPECT_TRUE(is_etag_mismatch(mismatch));
  EXPECT_FALSE(is_etag_invalid(mismatch));

  store.failure_ = etag_invalid("not a number");
  const Error invalid = set("a", {.key = "k"}).error();
  EXPECT_EQ(invalid.code, Code::kInvalidArgument);
  EXPECT_EQ(invalid.message, "failed saving state in state store a: invalid etag value: not a number");
  EXPECT_TRUE(is_etag_invalid(invalid));
  EXPECT_FALSE(is_etag_invalid(set("a", {.key = "x||y"}).error()));
}

TEST_F(StateServiceTest, ABulkWriteTriesEverythingAndPrefersTheETagFailure) {
  class Picky final : public Store {
   public:
    Features features() const override { return {}; }
    void ping(const CallContext&, Completion<void> done) override { done({}); }
    void get(const CallContext&, const GetRequest&, Completion<GetResponse> done) override { done(GetResponse()); }
    void set(const CallContext&, SetRequest request, Completion<void> done) override {
      tried.push_back(request.key);
      if (request.key.ends_with("bad")) return done(fail(Code::kUnavailable, "bad"));
      if (request.key.ends_with("old")) return done(fail(etag_mismatch("")));
      done({});
    }
    void remove(const CallContext&, DeleteRequest, Completion<void> done) override { done({}); }
    std::vector<std::string> tried;
  };
  auto store = std::make_unique<Picky>();
  Picky& picky = *store;
  ASSERT_TRUE(service_.add({"p", std::move(store), KeyPrefix::kNone, "", {}}));
  std::optional<Result<void>> result;
  service_.bulk_set(caller(), "p", {{.key = "bad"}, {.key = "old"}, {.key = "good"}},
                    [&](Result<void> r) { result = r; });
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(is_etag_mismatch(result->error()));
  EXPECT_THAT(picky.tried, ElementsAre("bad", "old", "good"));
}

TEST_F(StateServiceTest, BulkGetKeepsOrderAndCallersKeys) {
  for (const Manner manner : {Manner::kDeclaredInPlace, Manner::kLate}) {
    const std::string name = manner == Manner::kLate ? "late" : "now";
    FakeStore& store = add(name, manner);
    store.values_["orders||a"] = share("1");
    store.values_["orders||c"] = share("3");
    const auto items = wait<std::vector<BulkGetItem>>([&](Completion<std::vector<BulkGetItem>> done) {
      service_.bulk_get(caller(), name, {"c", "b", "a"}, nullptr, std::move(done));
    });
    ASSERT_TRUE(items.has_value());
    ASSERT_EQ(items->size(), 3u);
    EXPECT_EQ((*items)[0].key, "c");
    EXPECT_EQ(*(*items)[0].value.data, "3");
    EXPECT_EQ((*items)[1].key, "b");
    EXPECT_EQ((*items)[1].value.data, nullptr);
    EXPECT_EQ((*items)[2].key, "a");
    EXPECT_EQ(*(*items)[2].value.data, "1");
  }
}

TEST_F(StateServiceTest, TtlComesFromTheMetadata) {
  FakeStore& store = add("a");
  ASSERT_TRUE(set("a", {.key = "k", .metadata = {{"ttlInSeconds", "60"}}}));
  EXPECT_EQ(store.last_ttl_, 60);
  ASSERT_TRUE(set("a", {.key = "k", .ttl_seconds = 5, .metadata = {{"ttlInSeconds", "60"}}}));
  EXPECT_EQ(store.last_ttl_, 5);
  for (const char* bad : {"soon", "-2", "1.5", "99999999999"}) {
    const Error error = set("a", {.key = "k", .metadata = {{"ttlInSeconds", bad}}}).error();
    EXPECT_EQ(error.reason, "ERR_STATE_SAVE") << bad;
    EXPECT_THAT(error.message, testing::HasSubstr("incorrect value for metadata 'ttlInSeconds'")) << bad;
  }
}

TEST_F(StateServiceTest, AStoreMayTakeTheTtlsThatDaprsTakes) {
  FakeStore& store = add("a");
  store.features_.ttl_rules = {
      .before = "it is wrong: ", .parser = "strconv.Atoi", .negative = TtlRules::Negative::kForEver};
  ASSERT_TRUE(set("a", {.key = "k", .metadata = {{"ttlInSeconds", "-7"}}}));
  EXPECT_EQ(store.last_ttl_, -1);
  const auto message = [&](const char* text) {
    return set("a", {.key = "k", .metadata = {{"ttlInSeconds", text}}}).error().message;
  };
  const std::string saving = "failed saving state in state store a: it is wrong: ";
  EXPECT_EQ(message("soon"), saving + "strconv.Atoi: parsing \"soon\": invalid syntax");
  EXPECT_EQ(message("99999999999999999999"),
            saving + "strconv.Atoi: parsing \"99999999999999999999\": value out of range");
}

TEST_F(StateServiceTest, TransactionsNeedAStoreThatHasThem) {
  FakeStore& store = add("a");
  const auto transact = [&] {
    return wait<void>([&](Completion<void> done) {
      service_.transact(caller(), "a", {SetRequest{.key = "x"}, DeleteRequest{.key = "y"}}, std::move(done));
    });
  };
  ASSERT_TRUE(transact());
  EXPECT_THAT(store.transaction_keys_, ElementsAre("orders||x", "orders||y"));
  store.features_.transactional = false;
  EXPECT_EQ(transact().error().reason, "ERR_STATE_STORE_NOT_SUPPORTED");
  EXPECT_EQ(transact().error().code, Code::kUnimplemented);
  EXPECT_EQ(transact().error().message, "state store a doesn't support transactions");
}

TEST_F(StateServiceTest, NamesAreTakenOnce) {
  add("a");
  EXPECT_EQ(service_.add({"a", std::make_unique<FakeStore>(Manner::kLate, store_loop_)}).error().code,
            Code::kAlreadyExists);
}

TEST_F(StateServiceTest, AnOperationEndsOnTheStoreThatItBeganOn) {
  struct Closing final : state::Store {
    Closing(TestLoop& loop, std::vector<std::string>& closed, std::string name)
        : loop(loop), closed(closed), name(std::move(name)) {}
    Features features() const override { return {}; }
    void ping(const CallContext&, Completion<void> done) override { done({}); }
    void get(const CallContext&, const GetRequest&, Completion<GetResponse> done) override {
      loop.post([this, done = std::move(done)]() mutable { done(GetResponse{.data = share(name)}); });
    }
    void set(const CallContext&, SetRequest, Completion<void> done) override { done({}); }
    void remove(const CallContext&, DeleteRequest, Completion<void> done) override { done({}); }
    void close(SteadyTime) override { closed.push_back(name); }
    TestLoop& loop;
    std::vector<std::string>& closed;
    const std::string name;
  };
  std::vector<std::string> closed;
  const auto put = [&](std::string name) {
    service_.put({.name = "a", .store = std::make_unique<Closing>(store_loop_, closed, std::move(name))});
  };
  put("old");
  std::string begun;
  service_.get(caller(), "a", {.key = "k"}, [&](Result<GetResponse> got) { begun = *got->data; });
  put("new");
  EXPECT_TRUE(service_.sweep(SteadyTime::max()));
  EXPECT_EQ(*get("a", "k")->data, "new");
  store_loop_.run_ready();
  loop_.run_ready();
  EXPECT_EQ(begun, "old");
  EXPECT_FALSE(service_.sweep(SteadyTime::max()));
  EXPECT_THAT(closed, ElementsAre("old"));

  service_.remove_store("a");
  EXPECT_EQ(get("a", "k").error().reason, "ERR_STATE_STORE_NOT_CONFIGURED");
  EXPECT_FALSE(service_.sweep(SteadyTime::max()));
  EXPECT_THAT(closed, ElementsAre("old", "new"));
}

}  // namespace
}  // namespace tandem::state
