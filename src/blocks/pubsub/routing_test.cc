#include "blocks/pubsub/routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace tandem::pubsub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A rule matches what contains it; "fails" fails.
class Contains final : public RuleSet {
 public:
  explicit Contains(std::vector<std::string> rules) : rules_(std::move(rules)) {}
  Result<std::optional<std::size_t>> find(std::string_view event, EventForm) const override {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (rules_[i] == "fails") return fail(Code::kInternal, "it failed");
      if (event.find(rules_[i]) != std::string_view::npos) return i;
    }
    return std::nullopt;
  }

 private:
  const std::vector<std::string> rules_;
};

class ContainsCompiler final : public RuleCompiler {
 public:
  Result<std::unique_ptr<const RuleSet>> compile(std::span<const std::string_view> rules) const override {
    compiled_.assign(rules.begin(), rules.end());
    for (const std::string_view rule : rules) {
      if (rule == "wrong") return fail(Code::kInvalidArgument, "no rule at all");
    }
    return std::make_unique<const Contains>(compiled_);
  }
  mutable std::vector<std::string> compiled_;
};

config::Subscription subscription(std::vector<config::RoutingRule> rules, std::string default_path = "") {
  config::Subscription s;
  s.pubsub_name = "bus";
  s.topic = "orders";
  s.rules = std::move(rules);
  s.default_path = std::move(default_path);
  return s;
}

std::string path_of(const Routes& routes, std::string_view event) {
  const Result<const std::string*> found = routes.find(event, EventForm::kJson);
  return !found ? found.error().message : *found == nullptr ? "nowhere" : **found;
}

TEST(RoutesTest, WithoutRulesNothingIsLookedAt) {
  const ContainsCompiler compiler;
  const Result<Routes> one = Routes::make(subscription({}, "/all"), &compiler);
  ASSERT_TRUE(one);
  ASSERT_NE(one->only(), nullptr);
  EXPECT_EQ(*one->only(), "/all");
  EXPECT_EQ(path_of(*one, "anything"), "/all");
  // A rule that takes everything is a route like the default, and stands before it.
  EXPECT_EQ(*Routes::make(subscription({{.match = "", .path = "/first"}}, "/all"), &compiler)->only(), "/first");
  EXPECT_EQ(*Routes::make(subscription({{.match = "", .path = ""}}), nullptr)->only(), "");
  EXPECT_TRUE(compiler.compiled_.empty());
}

TEST(RoutesTest, TheFirstRuleThatMatchesDecides) {
  const ContainsCompiler compiler;
  const Result<Routes> two = Routes::make(subscription({{"gadget", "/gadgets"}, {"widget", "/widgets"}}), &compiler);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->only(), nullptr);
  EXPECT_EQ(path_of(*two, "a widget"), "/widgets");
  EXPECT_EQ(path_of(*two, "a widget of a gadget"), "/gadgets");
  EXPECT_EQ(path_of(*two, "neither"), "nowhere");
  const Result<Routes> more = Routes::make(subscription({{"a", "/a"}, {"", "/rest"}, {"b", "/b"}}, "/all"), &compiler);
  EXPECT_EQ(path_of(*more, "b"), "/rest");
  EXPECT_THAT(compiler.compiled_, ElementsAre("a", ""));
  EXPECT_EQ(path_of(*Routes::make(subscription({{"fails", "/a"}}), &compiler), "x"), "it failed");
}

TEST(RoutesTest, WhatCannotRouteIsSaid) {
  const ContainsCompiler compiler;
  EXPECT_THAT(Routes::make(subscription({}), &compiler).error().message,
              HasSubstr("the subscription to topic orders of pubsub bus has no route"));
  const auto wrong = Routes::make(subscription({{"wrong", "/a"}}), &compiler);
  EXPECT_EQ(wrong.error().code, Code::kInvalidArgument);
  EXPECT_THAT(wrong.error().message, HasSubstr("topic orders of pubsub bus has a routing rule that is wrong: no rule"));
  EXPECT_THAT(Routes::make(subscription({{"a", "/a"}}), nullptr).error().message, HasSubstr("no compiler"));
}

}  // namespace
}  // namespace tandem::pubsub
