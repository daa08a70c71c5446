#include "cli/flag_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace tandem::cli {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(FlagValues, PortsGoFromZeroTo65535) {
  EXPECT_EQ(parse_port("0").value(), 0);
  EXPECT_EQ(parse_port("65535").value(), 65535);
  for (std::string_view text : {"", "-1", "65536", "80x", " 80", "8080.0", "99999999999999999999"}) {
    auto port = parse_port(text);
    ASSERT_FALSE(port) << text;
    EXPECT_THAT(port.error().message, HasSubstr("is not a port")) << text;
  }
}

TEST(FlagValues, BooleansAreThoseOfGo) {
  for (std::string_view text : {"true", "1", "T", "TRUE"}) EXPECT_TRUE(parse_boolean(text).value()) << text;
  for (std::string_view text : {"false", "0", "f", "False"}) EXPECT_FALSE(parse_boolean(text).value()) << text;
  EXPECT_FALSE(parse_boolean("yes"));
  EXPECT_FALSE(parse_boolean(""));
}

TEST(FlagValues, LimitsAreTimesAboveZero) {
  EXPECT_EQ(parse_limit("1m30s").value(), std::chrono::seconds(90));
  EXPECT_EQ(parse_limit("250ms").value(), milliseconds(250));
  for (std::string_view text : {"0s", "-1s", "60", "soon"}) EXPECT_FALSE(parse_limit(text)) << text;
}

TEST(FlagValues, MemoryIsAtLeastAPage) {
  EXPECT_EQ(parse_memory("256Mi").value(), 256u << 20);
  EXPECT_EQ(parse_memory("64Ki").value(), 64u << 10);
  EXPECT_THAT(parse_memory("1000").error().message, HasSubstr("one page"));
  EXPECT_FALSE(parse_memory("0"));
  EXPECT_FALSE(parse_memory("lots"));
}

TEST(FlagValues, VariablesAreSplitAtTheFirstEqualsSign) {
  EXPECT_EQ(parse_variable("A=b=c").value(), std::pair(std::string("A"), std::string("b=c")));
  EXPECT_EQ(parse_variable("A=").value(), std::pair(std::string("A"), std::string()));
  EXPECT_FALSE(parse_variable("A"));
  EXPECT_FALSE(parse_variable("=b"));
}

TEST(FlagValues, MountsNameHostAndGuest) {
  auto mount = parse_mount("/srv/a:b:/data:ro");
  ASSERT_TRUE(mount) << mount.error().message;
  EXPECT_EQ(mount->source, "/srv/a:b");
  EXPECT_EQ(mount->destination, "/data");
  EXPECT_TRUE(mount->read_only);

  mount = parse_mount("data:/data");
  ASSERT_TRUE(mount) << mount.error().message;
  EXPECT_EQ(mount->source, (std::filesystem::current_path() / "data").string());
  EXPECT_FALSE(mount->read_only);
  EXPECT_FALSE(parse_mount("/a:/b:rw").value().read_only);

  for (std::string_view text : {"", "/data", ":/data", "/srv:", "/srv:ro"}) EXPECT_FALSE(parse_mount(text)) << text;
  EXPECT_THAT(parse_mount("/srv:data").error().message, HasSubstr("absolute"));
}

TEST(FlagValues, ListenAddressesAreNumeric) {
  EXPECT_EQ(parse_listen_address("0.0.0.0").value(), "0.0.0.0");
  EXPECT_EQ(parse_listen_address("[::1]").value(), "::1");
  EXPECT_EQ(parse_listen_address("localhost").value(), "127.0.0.1");
  EXPECT_FALSE(parse_listen_address("example.com"));
  EXPECT_FALSE(parse_listen_address(""));
  EXPECT_THAT(parse_listen_address("[::1],127.0.0.1").error().message, HasSubstr("one address"));
  EXPECT_THAT(parse_listen_addresses("[::1], 127.0.0.1").value(), testing::ElementsAre("::1", "127.0.0.1"));
  EXPECT_FALSE(parse_listen_addresses("127.0.0.1,"));
  EXPECT_FALSE(parse_listen_addresses(""));
}

}  // namespace
}  // namespace tandem::cli
