#include "base/json.h"

#include <gtest/gtest.h>

#include <vector>

namespace tandem {
namespace {

TEST(Json, TakesTheFirstValueOfAText) {
  EXPECT_EQ(parse_json_prefix(" [1] trailing").value(), "[1]");
  EXPECT_EQ(parse_json_prefix("{}{}").value(), "{}");
  EXPECT_FALSE(parse_json_prefix(" "));
  EXPECT_FALSE(parse_json_prefix("[1"));
}

TEST(JsonTest, TakesEveryKindOfValueAndTrimsTheSpaceAroundIt) {
  for (const std::string_view text :
       {"null", "true", "false", "0", "-0", "12.5e-3", "1E+2", "\"\"", "\"a\\u00e9\\n\"", "[]", "{}",
        "[1,[2],{\"a\":[]}]", "{\"a\":{\"b\":null},\"a\":1}", "\"caf\u00e9 \U0001F600\""}) {
    const std::string padded = " \t\r\n" + std::string(text) + "\n ";
    const auto value = parse_json(padded);
    ASSERT_TRUE(value) << text << ": " << value.error().message;
    EXPECT_EQ(*value, text);
  }
}

TEST(JsonTest, RefusesWhatTheGrammarDoesNotHave) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "[",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{\"a\"}",
                                      "{a:1}",
                                      "{\"a\":}",
                                      "[1 2]",
                                      "tru",
                                      "nul",
                                      "01",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "- 1",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\n\"",
                                      "\"\\",
                                      "1 1",
                                      "{} {}",
                                      "]",
                                      "}",
                                      "[}",
                                      "{]",
                                      "[1}",
                                      "NaN",
                                      "'a'",
                                      "\"\xff\"",
                                      "\"\xc0\xaf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\xef\xbb\xbf{}"}) {
    const auto value = parse_json(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code, Code::kInvalidArgument);
    EXPECT_FALSE(value.error().message.empty()) << text;
  }
}

TEST(JsonTest, SaysWhatIsWrongInGosWords) {
  const std::pair<std::string_view, std::string_view> mistakes[] = {
      {"", "unexpected end of JSON input"},
      {"{\"a\"", "unexpected end of JSON input"},
      {"[1", "unexpected end of JSON input"},
      {"tru", "unexpected end of JSON input"},
      {"\"\\", "unexpected end of JSON input"},
      {"{broken", "invalid character 'b' looking for beginning of object key string"},
      {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
      {"{\"a\"}", "invalid character '}' after object key"},
      {"{\"a\":}", "invalid character '}' looking for beginning of value"},
      {"{\"a\":1]", "invalid character ']' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {"1 1", "invalid character '1' after top-level value"},
      {"trux", "invalid character 'x' in literal true (expecting 'e')"},
      {"-x", "invalid character 'x' in numeric literal"},
      {"1.x", "invalid character 'x' after decimal point in numeric literal"},
      {"1e+x", "invalid character 'x' in exponent of numeric literal"},
      {"\"\n\"", "invalid character '\\n' in string literal"},
      {"\"\\x\"", "invalid character 'x' in string escape code"},
      {"\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"},
      {"'a'", "invalid character '\\'' looking for beginning of value"},
      {"\xef\xbb\xbf{}", "invalid character '\u00ef' looking for beginning of value"},
      {std::string_view("\0", 1), "invalid character '\\x00' looking for beginning of value"},
  };
  for (const auto& [text, why] : mistakes) {
    const auto value = parse_json(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().message, why);
  }
  EXPECT_EQ(parse_json_prefix(" ").error().message, "EOF");
  EXPECT_EQ(parse_json_prefix("[1").error().message, "unexpected EOF");
  EXPECT_EQ(parse_json_prefix("[x").error().message, "invalid character 'x' looking for beginning of value");
}

TEST(JsonTest, StopsAtTheDepthLimit) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth)));
  EXPECT_FALSE(parse_json(nested(kMaxJsonDepth + 1)));
  EXPECT_FALSE(parse_json(std::string(4'000'000, '[')));
  EXPECT_FALSE(parse_json(std::string(4'000'000, '{')));
}

TEST(JsonTest, CutsElementsAndMembersOutByteForByte) {
  const std::string text = R"( [ 1.50 ,"a,]\"", { "b" : [ "}" ] } ,null, true ] )";
  JsonElements elements(*parse_json(text));
  std::vector<std::string> found;
  for (std::string_view element; elements.next(element);) found.emplace_back(element);
  EXPECT_EQ(found, (std::vector<std::string>{"1.50", R"("a,]\"")", R"({ "b" : [ "}" ] })", "null", "true"}));

  const std::string object = R"({"a":1,"k\u0065y" : { "x":"}" },"a":[ ]})";
  JsonMembers members(*parse_json(object));
  std::vector<std::pair<std::string, std::string>> pairs;
  std::string name;
  for (std::string_view value; members.next(name, value);) pairs.emplace_back(name, value);
  EXPECT_EQ(pairs,
            (std::vector<std::pair<std::string, std::string>>{{"a", "1"}, {"key", R"({ "x":"}" })"}, {"a", "[ ]"}}));

  std::string_view none;
  EXPECT_FALSE(JsonElements("[ ]").next(none));
  EXPECT_FALSE(JsonMembers("{ }").next(name, none));
}

TEST(JsonTest, UnescapesText) {
  EXPECT_EQ(json_text(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(json_text(R"("\u0041\u00e9\u20ac\ud83d\ude00")"), "A\u00e9\u20ac\U0001F600");
  EXPECT_EQ(json_text(R"("\ud83d!")"), "\uFFFD!");
  EXPECT_EQ(json_text(R"("\ude00\ud83d")"), "\uFFFD\uFFFD");
  EXPECT_EQ(json_text(R"("\ud83d\u0041")"), "\uFFFDA");
  EXPECT_EQ(json_text("\"a\\u0000b\""), std::string_view("a\0b", 3));
}

TEST(JsonTest, ReadsFieldsAsGoDoes) {
  EXPECT_EQ(json_string_field("null", "f").value(), "");
  EXPECT_EQ(json_string_field("\"x\"", "f").value(), "x");
  EXPECT_FALSE(json_string_field("1", "f"));
  EXPECT_EQ(json_string_map_field(R"({"a":"1","b":null})", "m").value(), (Metadata{{"a", "1"}, {"b", ""}}));
  EXPECT_FALSE(json_string_map_field(R"({"a":1})", "m"));
  EXPECT_FALSE(json_string_map_field("[]", "m"));
  EXPECT_TRUE(json_string_map_field("null", "m")->empty());
}

TEST(JsonTest, EscapesText) {
  std::string out;
  append_json_string(out, std::string_view("\"\\\b\f\n\r\t\x01 <&> \u00e9\u2028\xff\0", 20));
  EXPECT_EQ(out, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001 \\u003c\\u0026\\u003e \u00e9\\u2028\\ufffd\\u0000\"");
  const auto quoted = [](std::string_view text) {
    std::string result;
    append_json_string(result, text);
    return result;
  };
  EXPECT_EQ(quoted("grüße 🌍"), "\"grüße 🌍\"");
  EXPECT_EQ(quoted("\xc3"), R"("\ufffd")");
  EXPECT_EQ(quoted("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");
  out.clear();
  append_json_map(out, {{"a", "1"}, {"b", "{"}});
  EXPECT_EQ(out, R"({"a":"1","b":"{"})");
}

}  // namespace
}  // namespace tandem
