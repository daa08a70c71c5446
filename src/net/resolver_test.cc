#include "net/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

#include "net/testing/raw_client.h"
#include "net/worker.h"

namespace tandem::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::HasSubstr;

const auto kAddress = boost::asio::ip::make_address("192.0.2.1");

// A name service that answers 192.0.2.1, and for names with "slow" in them only when it is let go. Shared with the
// resolver's threads, which may outlive the test.
class NameService final {
 public:
  Result<Addresses> look_up(const std::string& host) {
    std::unique_lock lock(mutex_);
    ++asked_;
    if (host.find("slow") != std::string::npos) let_go_.wait(lock, [this] { return open_; });
    ++answered_;
    if (host.find("unknown") != std::string::npos) return fail(Code::kUnavailable, "no such name");
    return Addresses{kAddress};
  }
  void let_go() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    let_go_.notify_all();
  }
  int asked() const { return asked_; }
  int answered() const { return answered_; }

 private:
  std::mutex mutex_;
  std::condition_variable let_go_;
  bool open_ = false;
  std::atomic<int> asked_ = 0;
  std::atomic<int> answered_ = 0;
};

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() { workers_.start(); }
  ~ResolverTest() override { names_->let_go(); }

  ResolverOptions options(std::size_t max_threads = 4) {
    ResolverOptions options;
    options.max_threads = max_threads;
    options.look_up = [names = names_](const std::string& host) { return names->look_up(host); };
    return options;
  }
  std::future<Result<Addresses>> ask(Resolver& resolver, std::string_view host, milliseconds limit = hours(1)) {
    auto promise = std::make_shared<std::promise<Result<Addresses>>>();
    resolver.resolve(host, limit, workers_[0],
                     [promise](Result<Addresses> found) { promise->set_value(std::move(found)); });
    return promise->get_future();
  }
  static Result<Addresses> get(std::future<Result<Addresses>> answer) {
    if (answer.wait_for(std::chrono::seconds(10)) == std::future_status::ready) return answer.get();
    return fail(Code::kUnknown, "the test waited too long");
  }

  const std::shared_ptr<NameService> names_ = std::make_shared<NameService>();
  Workers workers_{1};
};

TEST_F(ResolverTest, AddressesAndLocalhostNeedNoLookup) {
  Resolver resolver(options());
  const auto v4 = boost::asio::ip::make_address("127.0.0.1");
  const auto v6 = boost::asio::ip::make_address("::1");
  const std::vector<std::pair<std::string_view, Addresses>> cases = {
      {"127.0.0.1", {v4}},     {"::1", {v6}},           {"192.0.2.1", {kAddress}},
      {"localhost", {v4, v6}}, {"LocalHost", {v4, v6}}, {"localhost.", {v4, v6}},
  };
  for (const auto& [host, expected] : cases) {
    bool answered = false;
    resolver.resolve(host, hours(1), workers_[0], [&](Result<Addresses> found) {
      answered = true;
      ASSERT_TRUE(found);
      EXPECT_EQ(*found, expected) << host;
    });
    EXPECT_TRUE(answered) << host;
  }
  EXPECT_EQ(names_->asked(), 0);
}

TEST_F(ResolverTest, AnswersAreGivenOnTheExecutor) {
  Resolver resolver(options());
  std::promise<bool> here;
  resolver.resolve("a.test", hours(1), workers_[0],
                   [&](Result<Addresses> found) { here.set_value(found && workers_[0].running_here()); });
  EXPECT_TRUE(here.get_future().get());
}

TEST_F(ResolverTest, ANameThatHangsHoldsNoOther) {
  Resolver resolver(options());
  auto slow = ask(resolver, "slow.test");
  EXPECT_EQ(get(ask(resolver, "a.test")), Addresses{kAddress});
  EXPECT_EQ(get(ask(resolver, "b.test")), Addresses{kAddress});
  EXPECT_EQ(slow.wait_for(milliseconds(0)), std::future_status::timeout);
  names_->let_go();
  EXPECT_EQ(get(std::move(slow)), Addresses{kAddress});
}

TEST_F(ResolverTest, ThoseWhoAskForTheSameNameShareALookup) {
  Resolver resolver(options());
  std::vector<std::future<Result<Addresses>>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(ask(resolver, "slow.test"));
  ASSERT_TRUE(wait_for([&] { return names_->asked() == 1; }));
  names_->let_go();
  for (auto& answer : answers) EXPECT_EQ(get(std::move(answer)), Addresses{kAddress});
  EXPECT_EQ(names_->asked(), 1);
  // The next one asks anew.
  EXPECT_EQ(get(ask(resolver, "slow.test")), Addresses{kAddress});
  EXPECT_EQ(names_->asked(), 2);
}

TEST_F(ResolverTest, MoreNamesThanThreadsTakeTurns) {
  Resolver resolver(options(2));
  std::vector<std::future<Result<Addresses>>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(ask(resolver, "slow" + std::to_string(i) + ".test"));
  ASSERT_TRUE(wait_for([&] { return names_->asked() == 2; }));
  names_->let_go();
  for (auto& answer : answers) EXPECT_EQ(get(std::move(answer)), Addresses{kAddress});
  EXPECT_EQ(names_->asked(), 20);
}

TEST_F(ResolverTest, FailuresNameTheHost) {
  Resolver resolver(options());
  const auto unknown = get(ask(resolver, "unknown.test"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::kUnavailable);
  EXPECT_EQ(unknown.error().message, "cannot resolve unknown.test: no such name");
  for (const std::string_view host : {std::string_view(), std::string_view("a\0b", 3)}) {
    const auto invalid = get(ask(resolver, host));
    ASSERT_FALSE(invalid);
    EXPECT_EQ(invalid.error().code, Code::kInvalidArgument);
  }
}

TEST_F(ResolverTest, TheLimitEndsTheWait) {
  Resolver resolver(options(1));
  const auto late = get(ask(resolver, "slow.test", milliseconds(50)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(late.error().message, "cannot resolve slow.test: no answer within 50 ms");
  // One that found no thread in its time is never looked up.
  const auto queued = get(ask(resolver, "queued.test", milliseconds(50)));
  ASSERT_FALSE(queued);
  EXPECT_EQ(queued.error().code, Code::kDeadlineExceeded);
  names_->let_go();
  EXPECT_EQ(get(ask(resolver, "a.test")), Addresses{kAddress});
  EXPECT_EQ(names_->asked(), 2);
}

TEST_F(ResolverTest, ThoseWhoWaitAreLimited) {
  ResolverOptions few = options();
  few.max_waiting = 2;
  Resolver resolver(std::move(few));
  auto first = ask(resolver, "slow.test");
  auto second = ask(resolver, "slow.test");
  const auto third = get(ask(resolver, "a.test"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Code::kResourceExhausted);
  names_->let_go();
  EXPECT_TRUE(get(std::move(first)));
  EXPECT_TRUE(get(std::move(second)));
  EXPECT_TRUE(get(ask(resolver, "a.test")));
}

TEST_F(ResolverTest, ItsEndDoesNotWaitForALookup) {
  auto resolver = std::make_unique<Resolver>(options());
  auto slow = ask(*resolver, "slow.test");
  ASSERT_TRUE(wait_for([&] { return names_->asked() == 1; }));
  resolver.reset();
  const auto dropped = get(std::move(slow));
  ASSERT_FALSE(dropped);
  EXPECT_EQ(dropped.error().code, Code::kCancelled);
  // The thread comes back to nobody.
  workers_.stop();
  names_->let_go();
  EXPECT_TRUE(wait_for([&] { return names_->answered() == 1 && names_.use_count() == 1; }));
}

TEST_F(ResolverTest, TheSystemIsAsked) {
  Resolver resolver;
  const auto nowhere = get(ask(resolver, "no-such-host.invalid"));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Code::kUnavailable);
  EXPECT_THAT(nowhere.error().message, HasSubstr("cannot resolve no-such-host.invalid: "));
  // An old way of writing an address, which the system knows and the parser of addresses does not.
  EXPECT_EQ(get(ask(resolver, "127.1")), Addresses{boost::asio::ip::make_address("127.0.0.1")});
}

}  // namespace
}  // namespace tandem::net
