#include "components/name_resolvers.h"

#include <gmock/gmock.h>

namespace tandem::components {
namespace {

using ::testing::HasSubstr;

class NameResolversTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<invoke::NameResolver>> make(std::optional<config::NameResolution> wanted) {
    return make_name_resolver(wanted, {workers_, log_, {}});
  }
  std::string error(config::NameResolution wanted) {
    const auto made = make(std::move(wanted));
    return made ? "made" : made.error().message;
  }

  net::Workers workers_{1};
  Logger log_{{}};
};

TEST_F(NameResolversTest, MdnsIsTheDefault) {
  EXPECT_TRUE(make(std::nullopt));
  EXPECT_TRUE(make(config::NameResolution{.component = "mdns", .version = "v1"}));
}

TEST_F(NameResolversTest, ThePatternOfNameformat) {
  auto resolver =
      make(config::NameResolution{.component = "nameformat", .configuration = R"({"format":"{appid}-{appid}.x:1"})"});
  ASSERT_TRUE(resolver) << resolver.error().message;
  std::string address;
  (*resolver)->resolve("a{appid}b", "default", workers_[0],
                       [&](Result<std::string> got) { address = got.value_or(""); });
  EXPECT_EQ(address, "a{appid}b-a{appid}b.x:1");
}

TEST_F(NameResolversTest, WhatIsNotThereIsRefusedByName) {
  EXPECT_EQ(error({.component = "consul"}),
            "spec.nameResolution.component \"consul\" is not supported: mdns and nameformat are");
  EXPECT_THAT(error({.component = "mdns", .version = "v2"}), HasSubstr("spec.nameResolution.version \"v2\""));
  EXPECT_THAT(error({.component = "nameformat"}), HasSubstr("format is missing"));
  EXPECT_THAT(error({.component = "nameformat", .configuration = R"({"format":"here:1"})"}),
              HasSubstr("must contain {appid}"));
}

}  // namespace
}  // namespace tandem::components
