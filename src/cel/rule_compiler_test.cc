#include "cel/rule_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

namespace tandem::cel {
namespace {

using pubsub::EventForm;
using pubsub::RuleSet;
using testing::HasSubstr;

std::unique_ptr<const RuleSet> compile(std::vector<std::string_view> rules) {
  auto compiled = CelRuleCompiler().compile(rules);
  EXPECT_TRUE(compiled) << compiled.error().message;
  return std::move(*compiled);
}

// The place of the rule, -1 for none, -2 for a failure.
int find(const RuleSet& rules, std::string_view event, EventForm form = EventForm::kJson) {
  const auto found = rules.find(event, form);
  return !found ? -2 : !*found ? -1 : static_cast<int>(**found);
}

TEST(CelRuleCompilerTest, FindsTheFirstRuleThatMatches) {
  const auto rules = compile({"event.type == 'gadget'", "event.data.total > 100", " "});
  EXPECT_EQ(find(*rules, R"({"type":"gadget"})"), 0);
  EXPECT_EQ(find(*rules, R"({"type":"x","data":{"total":100.5}})"), 1);
  EXPECT_EQ(find(*rules, R"({"type":"x","data":{"total":1}})"), 2);
  EXPECT_EQ(find(*compile({"event.n == 1"}), R"({"n":2})"), -1);
  EXPECT_EQ(find(*compile({"event == 'plain'"}), "plain", EventForm::kText), 0);
}

TEST(CelRuleCompilerTest, FailuresSayWhatAndWhere) {
  const std::array<std::string_view, 2> rules{"true", "event.type = 'x'"};
  const auto refused = CelRuleCompiler().compile(rules);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("rule 2 (event.type = 'x'): ERROR: <input>:1:12: Syntax error"));
  const auto failed = compile({"event.nope == 1"})->find("{}", EventForm::kJson);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("No such key: nope"));
  const auto text = compile({"event.type"})->find(R"({"type":"x"})", EventForm::kJson);
  EXPECT_EQ(text.error().message, "the result of match expression event.type was not a boolean");
  EXPECT_THAT(compile({"true"})->find("{", EventForm::kJson).error().message, HasSubstr("the event: "));
}

TEST(CelRuleCompilerTest, AnyThreadMayLook) {
  const auto rules = compile({"event.list.exists(x, x == 7) && event.name.matches('^a+$')"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&rules] {
      for (int n = 0; n < 200; ++n) {
        EXPECT_EQ(find(*rules, R"({"list":[1,2,7],"name":"aaa"})"), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tandem::cel
