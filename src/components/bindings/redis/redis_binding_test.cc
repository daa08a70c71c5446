#include "components/bindings/redis/redis_binding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>

#include "components/redis/testing/redis_server.h"

namespace tandem::components {
namespace {

using ::testing::HasSubstr;

class RedisBindingTest : public testing::Test {
 protected:
  RedisBindingTest() {
    workers_.start();
    RedisOptions options;
    options.addresses = {{"127.0.0.1", server_.port()}};
    auto opened = RedisBinding::open(std::move(options), workers_, soon());
    EXPECT_TRUE(opened) << opened.error().message;
    binding_ = std::move(*opened);
  }
  ~RedisBindingTest() override {
    binding_->close(soon());
    workers_.stop();
  }
  static SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }

  Result<bindings::InvokeAnswer> invoke(std::string operation, Metadata metadata, std::string data = "null") {
    std::promise<Result<bindings::InvokeAnswer>> promise;
    binding_->invoke({}, {std::move(operation), std::move(data), std::move(metadata)},
                     [&](Result<bindings::InvokeAnswer> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  // Its data, or its error.
  std::string text(std::string operation, Metadata metadata, std::string data = "null") {
    const auto answer = invoke(std::move(operation), std::move(metadata), std::move(data));
    if (!answer) return answer.error().message;
    return answer->data == nullptr ? "(nothing)" : *answer->data;
  }

  RedisServer server_;
  net::Workers workers_{2};
  std::unique_ptr<RedisBinding> binding_;
};

TEST_F(RedisBindingTest, KeepsStrings) {
  const std::string bytes("\"a\"\r\n\0\xff", 8);
  EXPECT_EQ(text("create", {{"key", "k"}}, bytes), "(nothing)");
  EXPECT_EQ(text("get", {{"key", "k"}}), bytes);
  EXPECT_EQ(text("get", {{"key", "k"}, {"delete", "true"}}), bytes);
  EXPECT_EQ(text("get", {{"key", "k"}}), "");
  text("create", {{"key", "k"}}, "1");
  EXPECT_EQ(text("delete", {{"key", "k"}}), "(nothing)");
  EXPECT_EQ(text("delete", {{"key", "k"}}), "(nothing)");
  EXPECT_EQ(text("get", {{"key", "k"}}), "");
}

TEST_F(RedisBindingTest, Counts) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text("increment", {{"key", "n"}, {"ttlInSeconds", "100"}}), "(nothing)");
  EXPECT_EQ(text("get", {{"key", "n"}}), "3");
  text("create", {{"key", "word"}}, "word");
  EXPECT_THAT(text("increment", {{"key", "word"}}), HasSubstr("not an integer"));
}

TEST_F(RedisBindingTest, ATtlIsAboveZero) {
  EXPECT_EQ(text("create", {{"key", "k"}, {"TTLInSeconds", "100"}}, "1"), "(nothing)");
  EXPECT_EQ(text("create", {{"key", "k"}, {"ttl", "90s"}}, "1"), "(nothing)");
  EXPECT_THAT(text("create", {{"key", "k"}, {"ttlInSeconds", "soon"}}, "1"), HasSubstr("must be a valid integer"));
  EXPECT_THAT(text("create", {{"key", "k"}, {"ttlInSeconds", "-1"}}, "1"),
              HasSubstr("ttl value must be higher than zero: actual is '-1'"));
  // A duration of no seconds is over at once.
  for (const char* ttl : {"0", "10ms", "-1s"}) {
    EXPECT_EQ(text("create", {{"key", "gone"}, {"ttlInSeconds", ttl}}, "1"), "(nothing)");
    EXPECT_EQ(text("get", {{"key", "gone"}}), text("get", {{"key", "never there"}}));
  }
}

TEST_F(RedisBindingTest, WithoutAKeyThereIsNothingToDo) {
  for (const std::string_view operation : binding_->operations()) {
    EXPECT_EQ(text(std::string(operation), {}), "redis binding: missing key in request metadata");
  }
}

TEST(RedisBinding, AServerThatIsNotThereIsKnownAtOnce) {
  net::Workers workers(1);
  RedisOptions options{.max_retries = 0};
  options.addresses = {{"127.0.0.1", 1}};
  EXPECT_FALSE(RedisBinding::open(std::move(options), workers,
                                  std::chrono::steady_clock::now() + std::chrono::milliseconds(500)));
}

}  // namespace
}  // namespace tandem::components
