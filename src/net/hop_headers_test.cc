#include "net/hop_headers.h"

#include <gtest/gtest.h>

#include <array>

namespace tandem::net {
namespace {

TEST(HopHeadersTest, TheOnesThatEveryProxyKnows) {
  for (const std::string_view name : {"Connection", "keep-alive", "Proxy-Connection", "transfer-encoding", "UPGRADE",
                                      "HTTP2-Settings", "te", "Trailer", "Proxy-Authorization", "proxy-authenticate"}) {
    EXPECT_TRUE(is_hop_by_hop(name)) << name;
    EXPECT_TRUE(HopHeaders().contains(name)) << name;
  }
  for (const std::string_view name : {"host", "content-length", "content-type", "trailers", "x-upgrade", ""}) {
    EXPECT_FALSE(is_hop_by_hop(name)) << name;
  }
}

TEST(HopHeadersTest, AndTheOnesThatAMessageNames) {
  const std::array<Header, 4> headers = {{{"Connection", " close , X-One,,\tx-two "},
                                          {"X-Four", "x-five"},
                                          {"connection", "X-Three"},
                                          {"Connection", ""}}};
  const HopHeaders hop(headers);
  for (const std::string_view name : {"close", "x-one", "X-TWO", "x-three", "connection"}) {
    EXPECT_TRUE(hop.contains(name)) << name;
  }
  for (const std::string_view name : {"x-four", "x-five", "x", ""}) EXPECT_FALSE(hop.contains(name)) << name;
}

}  // namespace
}  // namespace tandem::net
