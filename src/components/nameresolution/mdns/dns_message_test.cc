#include "components/nameresolution/mdns/dns_message.h"

#include <gmock/gmock.h>

namespace tandem::components {
namespace {

using ::testing::ElementsAre;

TEST(DnsMessage, WhatIsWrittenIsRead) {
  DnsMessage message{.id = 7, .response = true};
  message.answers.push_back(
      {.name = "orders.local.", .type = DnsType::kPtr, .ttl = 3200, .target = "box:12.orders.local."});
  message.additional.push_back({.name = "box:12.orders.local.",
                                .type = DnsType::kSrv,
                                .ttl = 3200,
                                .flush = true,
                                .target = "box-12.local.",
                                .port = 50002});
  message.additional.push_back(
      {.name = "box:12.orders.local.", .type = DnsType::kTxt, .ttl = 3200, .texts = {"orders", "more of it"}});
  message.additional.push_back({.name = "box-12.local.", .type = DnsType::kA, .ttl = 120, .address = "192.0.2.1"});
  message.additional.push_back({.name = "box-12.local.", .type = DnsType::kAaaa, .ttl = 0, .address = "2001:db8::1"});
  const auto bytes = write_dns(message);
  ASSERT_TRUE(bytes);
  const auto read = read_dns(*bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, 7);
  EXPECT_TRUE(read->response);
  ASSERT_EQ(read->answers.size(), 1u);
  EXPECT_EQ(read->answers[0].name, "orders.local.");
  EXPECT_EQ(read->answers[0].target, "box:12.orders.local.");
  EXPECT_EQ(read->answers[0].ttl, 3200u);
  EXPECT_FALSE(read->answers[0].flush);
  ASSERT_EQ(read->additional.size(), 4u);
  EXPECT_EQ(read->additional[0].port, 50002);
  EXPECT_EQ(read->additional[0].target, "box-12.local.");
  EXPECT_TRUE(read->additional[0].flush);
  EXPECT_THAT(read->additional[1].texts, ElementsAre("orders", "more of it"));
  EXPECT_EQ(read->additional[2].address, "192.0.2.1");
  EXPECT_EQ(read->additional[3].address, "2001:db8::1");
  EXPECT_EQ(read->additional[3].ttl, 0u);
}

TEST(DnsMessage, AQuestionOnTheWire) {
  const auto bytes = write_dns({.questions = {{.name = "a-b.local.", .type = DnsType::kPtr, .unicast = true}}});
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, std::string("\0\0\0\0\0\1\0\0\0\0\0\0\3a-b\5local\0\0\x0c\x80\1", 27));
  const auto read = read_dns(*bytes);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->response);
  ASSERT_EQ(read->questions.size(), 1u);
  EXPECT_EQ(read->questions[0].name, "a-b.local.");
  EXPECT_TRUE(read->questions[0].unicast);
}

// As the zeroconf library of daprd 1.18.1 answers: compressed names, SRV and TXT among the additional records.
TEST(DnsMessage, AnAnswerOfDaprd) {
  const std::string bytes(
      "\0\0\x84\0\0\0\0\1\0\0\0\3"
      "\6orders\5local\0\0\x0c\0\1\0\0\x0c\x80\0\7\4h:42\xc0\x0c"
      "\xc0\x24\0\x21\0\1\0\0\x0c\x80\0\x0a\0\0\0\0\xc3\x50\1h\xc0\x13"
      "\xc0\x24\0\x10\0\1\0\0\x0c\x80\0\7\6orders"
      "\xc0\x3d\0\1\0\1\0\0\0\x78\0\4\x7f\0\0\1",
      12 + 31 + 22 + 19 + 16);
  const auto read = read_dns(bytes);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->answers.size(), 1u);
  EXPECT_EQ(read->answers[0].target, "h:42.orders.local.");
  ASSERT_EQ(read->additional.size(), 3u);
  EXPECT_EQ(read->additional[0].name, "h:42.orders.local.");
  EXPECT_EQ(read->additional[0].port, 50000);
  EXPECT_EQ(read->additional[0].target, "h.local.");
  EXPECT_THAT(read->additional[1].texts, ElementsAre("orders"));
  EXPECT_EQ(read->additional[2].name, "h.local.");
  EXPECT_EQ(read->additional[2].address, "127.0.0.1");
}

TEST(DnsMessage, WhatIsNoMessageIsNotRead) {
  EXPECT_FALSE(read_dns(""));
  EXPECT_FALSE(read_dns("hello, world"));
  // A name that points at itself.
  EXPECT_FALSE(read_dns(std::string("\0\0\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\x0c\0\1", 18)));
  const std::string good = *write_dns({.questions = {{.name = "orders.local."}}});
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(read_dns(good.substr(0, size))) << size;
  EXPECT_FALSE(read_dns(std::string(kMaxDnsMessage + 1, '\0')));
}

TEST(DnsMessage, WhatCannotBeWrittenIsNot) {
  EXPECT_FALSE(write_dns({.questions = {{.name = std::string(64, 'a') + ".local."}}}));
  EXPECT_FALSE(write_dns({.answers = {{.name = "a.local.", .type = DnsType::kA, .address = "here"}}}));
  EXPECT_FALSE(write_dns({.answers = {{.name = "a.local.", .type = DnsType::kTxt, .texts = {std::string(256, 'a')}}}}));
}

TEST(DnsMessage, NamesHaveNoCase) {
  EXPECT_TRUE(same_name("Orders.local.", "orders.LOCAL."));
  EXPECT_FALSE(same_name("orders.local.", "orders.local"));
}

}  // namespace
}  // namespace tandem::components
