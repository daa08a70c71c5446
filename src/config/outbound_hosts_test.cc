#include "config/outbound_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/duration.h"
#include "config/quantity.h"

namespace tandem::config {
namespace {

OutboundHosts hosts(std::vector<std::string> entries) {
  auto parsed = OutboundHosts::parse(entries);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : OutboundHosts();
}

IpAddress ip(std::string_view text) {
  auto address = IpAddress::parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress());
}

TEST(OutboundHosts, GrantsNothingByDefault) {
  OutboundHosts none;
  EXPECT_FALSE(none.allows("http", "example.com", 80));
  EXPECT_FALSE(none.allows_socket("tcp", 80, ip("93.184.216.34")));
}

TEST(OutboundHosts, MatchesSchemeHostAndPort) {
  OutboundHosts list =
      hosts({"https://Example.com", "http://*.internal.dev:8080", "redis://cache", "tcp://db:5000..5010"});
  EXPECT_TRUE(list.allows("https", "example.com", 443));
  EXPECT_TRUE(list.allows("HTTPS", "EXAMPLE.com.", 443));
  EXPECT_FALSE(list.allows("http", "example.com", 443));
  EXPECT_FALSE(list.allows("https", "example.com", 8443));
  EXPECT_FALSE(list.allows("https", "www.example.com", 443));
  EXPECT_FALSE(list.allows("https", "badexample.com", 443));
  EXPECT_TRUE(list.allows("http", "a.internal.dev", 8080));
  EXPECT_TRUE(list.allows("http", "a.b.internal.dev", 8080));
  EXPECT_FALSE(list.allows("http", "internal.dev", 8080));
  EXPECT_FALSE(list.allows("http", "xinternal.dev", 8080));
  EXPECT_TRUE(list.allows("redis", "cache", 6379));
  EXPECT_TRUE(list.allows("tcp", "db", 5000));
  EXPECT_TRUE(list.allows("tcp", "db", 5009));
  EXPECT_FALSE(list.allows("tcp", "db", 5010));
}

TEST(OutboundHosts, AddressesAndNetworks) {
  OutboundHosts list =
      hosts({"*://127.0.0.1:*", "http://10.1.0.0/16:80", "http://[::1]:81", "http://[2001:db8::]/32:82"});
  EXPECT_TRUE(list.allows("anything", "127.0.0.1", 1));
  EXPECT_TRUE(list.allows("http", "[::ffff:127.0.0.1]", 1));
  EXPECT_FALSE(list.allows("http", "127.0.0.2", 1));
  EXPECT_TRUE(list.allows("http", "10.1.255.3", 80));
  EXPECT_FALSE(list.allows("http", "10.2.0.1", 80));
  EXPECT_TRUE(list.allows("http", "::1", 81));
  EXPECT_TRUE(list.allows("http", "[2001:db8:1::5]", 82));
  EXPECT_FALSE(list.allows("http", "[2001:db9::5]", 82));
}

TEST(OutboundHosts, ANameMayNotLeadToAnInternalAddress) {
  OutboundHosts list = hosts({"https://example.com", "https://*.example.org"});
  EXPECT_TRUE(list.allows_address("https", "example.com", 443, ip("93.184.216.34")));
  for (std::string_view address :
       {"127.0.0.1", "10.0.0.8", "172.20.1.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1",
        "::", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a00:1", "224.0.0.1",
        "255.255.255.255", "::127.0.0.1"}) {
    EXPECT_FALSE(list.allows_address("https", "example.com", 443, ip(address))) << address;
    EXPECT_FALSE(list.allows_address("https", "a.example.org", 443, ip(address))) << address;
  }
  EXPECT_FALSE(list.allows_address("https", "other.com", 443, ip("93.184.216.34")));
  EXPECT_FALSE(list.allows_socket("https", 443, ip("93.184.216.34")));
}

TEST(OutboundHosts, AnInternalAddressNeedsAnEntryThatSaysSo) {
  OutboundHosts list = hosts({"http://db.internal:5432", "http://10.0.0.0/8:5432"});
  EXPECT_TRUE(list.allows_address("http", "db.internal", 5432, ip("10.3.2.1")));
  EXPECT_FALSE(list.allows_address("http", "db.internal", 5432, ip("192.168.0.1")));
  OutboundHosts other_port = hosts({"http://db.internal:5432", "http://10.0.0.0/8:80"});
  EXPECT_FALSE(other_port.allows_address("http", "db.internal", 5432, ip("10.3.2.1")));

  OutboundHosts local = hosts({"http://localhost:9000"});
  EXPECT_TRUE(local.allows("http", "localhost", 9000));
  EXPECT_TRUE(local.allows("http", "127.0.0.1", 9000));
  EXPECT_TRUE(local.allows_address("http", "localhost", 9000, ip("::1")));
  EXPECT_FALSE(local.allows_address("http", "localhost", 9000, ip("169.254.169.254")));

  OutboundHosts everything = hosts({"*://*:*"});
  EXPECT_TRUE(everything.allows_address("http", "x", 1, ip("169.254.169.254")));
  EXPECT_TRUE(everything.allows_socket("udp", 53, ip("8.8.8.8")));
}

TEST(OutboundHosts, SocketsHaveSchemesOfTheirOwn) {
  OutboundHosts list = hosts({"tcp://10.0.0.1:80", "udp://10.0.0.2:53", "http://10.0.0.3:80", "*://10.0.0.4:9"});
  EXPECT_TRUE(list.allows_socket(kTcpScheme, 80, ip("10.0.0.1")));
  EXPECT_FALSE(list.allows_socket(kUdpScheme, 80, ip("10.0.0.1")));
  EXPECT_TRUE(list.allows_socket(kUdpScheme, 53, ip("10.0.0.2")));
  EXPECT_FALSE(list.allows_socket(kTcpScheme, 53, ip("10.0.0.2")));
  EXPECT_FALSE(list.allows_socket(kTcpScheme, 80, ip("10.0.0.3")));
  EXPECT_TRUE(list.allows_socket(kTcpScheme, 9, ip("10.0.0.4")));
  EXPECT_TRUE(list.allows_socket(kUdpScheme, 9, ip("10.0.0.4")));
  EXPECT_TRUE(list.has_sockets());
  EXPECT_TRUE(hosts({"udp://a:1"}).has_sockets());
  EXPECT_TRUE(hosts({"*://a:1"}).has_sockets());
  EXPECT_FALSE(hosts({"http://*:*", "redis://cache"}).has_sockets());
  EXPECT_FALSE(OutboundHosts().has_sockets());
}

TEST(OutboundHosts, ANameIsLookedUpForASocketThatItGrants) {
  OutboundHosts list = hosts({"tcp://db.example:5432", "udp://*.dns.example:53", "https://api.example",
                              "tcp://10.0.0.0/8:5432", "tcp://localhost:1"});
  for (std::string_view name :
       {"db.example", "DB.Example.", "a.dns.example", "localhost", "x.localhost", "127.0.0.1", "10.1.2.3"}) {
    EXPECT_TRUE(list.allows_lookup(name)) << name;
  }
  for (std::string_view name : {"", "example", "other.example", "dns.example", "api.example", "x.db.example",
                                "db.example.evil", "11.0.0.1", "db.example%2e"}) {
    EXPECT_FALSE(list.allows_lookup(name)) << name;
  }
  EXPECT_TRUE(hosts({"tcp://*:443"}).allows_lookup("anything.example"));
  EXPECT_FALSE(hosts({"https://*", "tcp://10.0.0.0/8:1"}).allows_lookup("anything.example"));
  EXPECT_TRUE(list.allows_address(kTcpScheme, "db.example", 5432, ip("93.184.216.34")));
  EXPECT_TRUE(list.allows_address(kTcpScheme, "db.example", 5432, ip("10.0.0.1")));
  EXPECT_FALSE(list.allows_address(kTcpScheme, "db.example", 5432, ip("192.168.0.1")));
  EXPECT_FALSE(list.allows_address(kUdpScheme, "db.example", 5432, ip("93.184.216.34")));
}

TEST(OutboundHosts, RefusesWhatItCannotMean) {
  for (std::string entry : {"example.com",
                            "http://",
                            "https://exa mple.com",
                            "http://example.com/path",
                            "*://example.com",
                            "foo://example.com",
                            "http://example.com:0",
                            "http://example.com:70000",
                            "http://example.com:90..80",
                            "http://ex*mple.com",
                            "http://user@example.com",
                            "http://10.0.0.0/99",
                            "http://127.1",
                            "http://[::1",
                            "http://a..b",
                            "ht tp://a:1",
                            "http://example.com:",
                            "http://2130706433:80",
                            "http://[::1]x:80",
                            "http://*.:80"}) {
    auto parsed = OutboundHosts::parse(std::span(&entry, 1));
    ASSERT_FALSE(parsed) << entry;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_THAT(parsed.error().message, ::testing::HasSubstr("allowed outbound host \""));
  }
}

TEST(IpAddress, KnowsItsText) {
  EXPECT_EQ(ip("127.0.0.1").to_string(), "127.0.0.1");
  EXPECT_EQ(ip("::ffff:1.2.3.4"), ip("1.2.3.4"));
  EXPECT_EQ(ip("2001:0db8::0001").to_string(), "2001:db8::1");
  for (std::string_view bad : {"", "1.2.3", "01.2.3.4", "1.2.3.4.5", "fe80::1%eth0", "[::1]", "a.b.c.d"}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
  EXPECT_FALSE(ip("8.8.8.8").is_internal());
  EXPECT_FALSE(ip("2606:4700::1111").is_internal());
}

TEST(Quantity, Parses) {
  EXPECT_EQ(parse_quantity("100").value(), 100U);
  EXPECT_EQ(parse_quantity("4Mi").value(), 4U << 20);
  EXPECT_EQ(parse_quantity("64Ki").value(), 64U << 10);
  EXPECT_EQ(parse_quantity("1G").value(), 1'000'000'000U);
  EXPECT_EQ(parse_quantity("1.5Gi").value(), 3U << 29);
  EXPECT_EQ(parse_quantity("10MB").value(), 10'000'000U);
  EXPECT_EQ(parse_quantity("2MiB").value(), 2U << 20);
  EXPECT_EQ(parse_quantity("0").value(), 0U);
  for (std::string_view bad : {"", "Mi", "1X", "-1", "1..5", "1 Mi", "99999999999Ti", "."})
    EXPECT_FALSE(parse_quantity(bad)) << bad;
}

TEST(Duration, ParsesAsGoDoes) {
  using std::chrono::nanoseconds;
  EXPECT_EQ(parse_duration("1h30m").value(), std::chrono::minutes(90));
  EXPECT_EQ(parse_duration("500ms").value(), std::chrono::milliseconds(500));
  for (const char* text : {"0s", "1h30m0s", "1m0s", "5s", "1.5s", "500ms", "1.005ms", "-2m3.25s"}) {
    EXPECT_EQ(format_duration(parse_duration(text).value()), text);
  }
  EXPECT_EQ(format_duration(std::chrono::minutes(90)), "1h30m0s");
  EXPECT_EQ(parse_duration("1.5s").value(), std::chrono::milliseconds(1500));
  EXPECT_EQ(parse_duration("2us3ns").value(), nanoseconds(2003));
  EXPECT_EQ(parse_duration("-2s").value(), -std::chrono::seconds(2));
  EXPECT_EQ(parse_duration("0").value(), nanoseconds(0));
  EXPECT_EQ(parse_duration_or_seconds("20").value(), std::chrono::seconds(20));
  EXPECT_EQ(parse_duration_or_seconds("20ms").value(), std::chrono::milliseconds(20));
  for (std::string_view bad : {"", "5", "s", "1d", "1h 2m", "1..2s", "--1s", ".s", "99999999h", "3600000h"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

}  // namespace
}  // namespace tandem::config
