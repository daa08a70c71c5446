#include "components/pubsub/redis/stream_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tandem::components {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

// A command in the protocol's form, or an answer, is an array.
RedisValue read(const std::string& bytes) {
  RedisReader reader;
  EXPECT_TRUE(reader.feed(bytes));
  auto value = reader.next();
  EXPECT_TRUE(value.has_value() && value->has_value());
  return std::move(**value);
}

std::vector<std::string> words(const std::string& command) {
  std::vector<std::string> out;
  for (const RedisValue& word : read(command).items) out.push_back(word.text);
  return out;
}

const StreamGroup kGroup{.topic = "orders", .name = "app"};

TEST(StreamCommandsTest, AMessageIsItsDataAndItsMetadata) {
  const pubsub::PublishRequest request{.topic = "orders", .data = share("{}"), .metadata = {{"b", "<2>"}, {"a", "1"}}};
  const std::chrono::system_clock::time_point now{milliseconds(100'000)};
  EXPECT_THAT(words(add_command(request, {}, now)),
              ElementsAre("XADD", "orders", "*", "data", "{}", "metadata", R"({"a":"1","b":"\u003c2\u003e"})"));
  EXPECT_THAT(words(add_command(request, {.max_length = 5}, now)),
              ElementsAre("XADD", "orders", "MAXLEN", "~", "5", "*", "data", "{}", "metadata", testing::_));
  EXPECT_THAT(words(add_command(request, {.stream_ttl = milliseconds(40'000)}, now)),
              ElementsAre("XADD", "orders", "MINID", "~", "60000-1", "*", "data", "{}", "metadata", testing::_));
  EXPECT_EQ(words(add_command(request, {.max_length = 5, .stream_ttl = milliseconds(1)}, now))[2], "MAXLEN");
}

TEST(StreamCommandsTest, AGroupsConsumerHasItsName) {
  const std::vector<std::string> ids = {"1-1", "1-2"};
  EXPECT_THAT(words(create_group_command(kGroup)), ElementsAre("XGROUP", "CREATE", "orders", "app", "0", "MKSTREAM"));
  EXPECT_THAT(
      words(read_command(kGroup, 7, milliseconds(2000))),
      ElementsAre("XREADGROUP", "GROUP", "app", "app", "COUNT", "7", "BLOCK", "2000", "STREAMS", "orders", ">"));
  EXPECT_THAT(words(acknowledge_command(kGroup, ids)), ElementsAre("XACK", "orders", "app", "1-1", "1-2"));
  EXPECT_THAT(words(pending_command(kGroup, "-", 9)), ElementsAre("XPENDING", "orders", "app", "-", "+", "9"));
  EXPECT_THAT(words(claim_command(kGroup, milliseconds(30), ids)),
              ElementsAre("XCLAIM", "orders", "app", "app", "30", "1-1", "1-2"));
  EXPECT_THAT(words(hold_command(kGroup, milliseconds(5), ids)),
              ElementsAre("XCLAIM", "orders", "app", "app", "0", "1-1", "1-2", "IDLE", "5", "JUSTID"));
}

TEST(StreamCommandsTest, MessagesAreReadAsTheyAre) {
  RedisValue answer = read(
      "*1\r\n*2\r\n$6\r\norders\r\n*4\r\n"
      "*2\r\n$3\r\n1-1\r\n*4\r\n$4\r\ndata\r\n$3\r\na\r\n\r\n$8\r\nmetadata\r\n$9\r\n{\"k\":\"v\"}\r\n"
      "*2\r\n$3\r\n1-2\r\n*4\r\n$8\r\nmetadata\r\n$4\r\nnull\r\n$5\r\nother\r\n$1\r\nx\r\n"
      "*2\r\n$3\r\n1-3\r\n*4\r\n$8\r\nmetadata\r\n$7\r\n{\"k\":1}\r\n$4\r\ndata\r\n$1\r\nx\r\n"
      "*2\r\n$3\r\n1-4\r\n*-1\r\n");
  const std::vector<StreamEntry> entries = read_entries(answer);
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].id, "1-1");
  EXPECT_EQ(entries[0].data, "a\r\n");
  EXPECT_EQ(entries[0].metadata, (Metadata{{"k", "v"}}));
  EXPECT_EQ(entries[0].problem, "");
  EXPECT_EQ(entries[1].data, "");
  EXPECT_EQ(entries[1].problem, "");
  EXPECT_THAT(entries[1].metadata, IsEmpty());
  EXPECT_EQ(entries[2].data, "x");
  EXPECT_NE(entries[2].problem, "");
  EXPECT_TRUE(entries[3].deleted);
  EXPECT_EQ(entries[3].id, "1-4");
}

TEST(StreamCommandsTest, AnswersThatAreNoneAreEmpty) {
  for (const char* bytes : {"*-1\r\n", "*0\r\n", "*1\r\n$1\r\nx\r\n", "*1\r\n*1\r\n$1\r\nx\r\n", ":1\r\n"}) {
    RedisValue answer = read(bytes);
    EXPECT_THAT(read_entries(answer), IsEmpty()) << bytes;
    EXPECT_THAT(pending_entries(answer), IsEmpty()) << bytes;
  }
  // Redis before 7 has a nil for a message that was deleted.
  RedisValue answer = read("*2\r\n$-1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$4\r\ndata\r\n$1\r\nx\r\n");
  const std::vector<StreamEntry> claimed = claimed_entries(answer);
  ASSERT_EQ(claimed.size(), 2u);
  EXPECT_TRUE(claimed[0].deleted);
  EXPECT_EQ(claimed[1].data, "x");
}

TEST(StreamCommandsTest, PendingMessagesSayHowLong) {
  const RedisValue answer = read("*1\r\n*4\r\n$3\r\n1-1\r\n$3\r\napp\r\n:250\r\n:2\r\n");
  const std::vector<PendingEntry> pending = pending_entries(answer);
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].id, "1-1");
  EXPECT_EQ(pending[0].idle, milliseconds(250));
}

TEST(StreamCommandsTest, TheNextId) {
  EXPECT_EQ(next_stream_id("1526919030474-55"), "1526919030474-56");
  EXPECT_EQ(next_stream_id("7"), "7-1");
  EXPECT_EQ(next_stream_id("7-18446744073709551615"), "8-0");
}

}  // namespace
}  // namespace tandem::components
