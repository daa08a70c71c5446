#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <thread>
#include <vector>

#include "base/line_logger.h"
#include "base/testing/capture.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

Logger make(const Capture& capture, LogFormat format, LogLevel level = LogLevel::kInfo) {
  return Logger({.level = level,
                 .format = format,
                 .app_id = "orders",
                 .version = "0.1.0",
                 .instance = "host",
                 .fd = capture.fd()});
}

TEST(Logger, WritesDaprsTextLine) {
  Capture capture;
  make(capture, LogFormat::kText)
      .info("tandem.runtime", "app is ready", {{"port", "3500"}, {"url", "http://x"}, {"empty", ""}});
  EXPECT_THAT(capture.text(), MatchesRegex("time=\"[0-9-]+T[0-9:]+\\.[0-9]+Z\" level=info msg=\"app is ready\" "
                                           "app_id=orders empty= instance=host port=3500 "
                                           "scope=tandem.runtime type=log url=\"http://x\" ver=0.1.0\n"));
}

TEST(Logger, WritesDaprsJsonLine) {
  Capture capture;
  make(capture, LogFormat::kJson).warn("s", "say \"hi\"", {{"k", "v"}, {"k", "again"}, {"level", "fake"}});
  EXPECT_THAT(
      capture.text(),
      MatchesRegex(
          "\\{\"app_id\":\"orders\",\"fields\\.level\":\"fake\",\"instance\":\"host\",\"k\":\"v\",\"level\":"
          "\"warning\",\"msg\":"
          "\"say \\\\\"hi\\\\\"\",\"scope\":\"s\",\"time\":\"[^\"]+Z\",\"type\":\"log\",\"ver\":\"0.1.0\"\\}\n"));
}

TEST(Logger, LevelsFilterAndAppsShareThem) {
  Capture capture;
  Logger logger = make(capture, LogFormat::kText, LogLevel::kWarn);
  Logger other = logger.for_app("receipts");
  logger.info("s", "hidden");
  other.error("s", "shown");
  logger.set_level(LogLevel::kDebug);
  EXPECT_TRUE(other.enabled(LogLevel::kDebug));
  other.debug("s", "now too");
  std::string text = capture.text();
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_THAT(text, HasSubstr("level=error msg=shown app_id=receipts"));
  EXPECT_THAT(text, HasSubstr("level=debug msg=\"now too\""));
}

TEST(Logger, OneWithALevelOfItsOwnKeepsIt) {
  Capture capture;
  Logger logger = make(capture, LogFormat::kText, LogLevel::kError);
  const Logger own = logger.for_app("receipts").with_level(LogLevel::kInfo);
  own.info("s", "shown");
  own.debug("s", "hidden");
  logger.set_level(LogLevel::kDebug);
  own.debug("s", "hidden too");
  logger.debug("s", "the others go on as before");
  const std::string text = capture.text();
  EXPECT_THAT(text, HasSubstr("level=info msg=shown app_id=receipts"));
  EXPECT_THAT(text, HasSubstr("the others go on"));
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
}

TEST(Logger, NumbersHaveNoQuotesInJson) {
  constexpr auto kNumber = LogField::Kind::kNumber;
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    Capture capture;
    make(capture, format).info("s", "m", {{"code", "204", kNumber}, {"text", "204"}});
    const bool json = format == LogFormat::kJson;
    EXPECT_THAT(capture.text(), HasSubstr(json ? "\"code\":204," : " code=204 "));
    EXPECT_THAT(capture.text(), HasSubstr(json ? "\"text\":\"204\"," : " text=204 "));
  }
}

TEST(Logger, NothingCanForgeALineOrSteerATerminal) {
  std::string hostile =
      std::string("a\nlevel=fatal\r\t\x1b[31m\x07\x7f\xff\xc3(") + "\xe2\x80\xae\xc2\x9b" + "\xc3\xa9";
  for (LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    Capture capture;
    make(capture, format).info(hostile, hostile, {{"bad key\n=\"", hostile}});
    std::string text = capture.text();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    for (std::string_view raw : {"\x1b", "\x07", "\x7f", "\xff", "\xe2\x80\xae", "\xc2\x9b", "\r", "\t"}) {
      EXPECT_THAT(text, Not(HasSubstr(raw)));
    }
    EXPECT_THAT(text, HasSubstr("\xc3\xa9"));
    EXPECT_THAT(text, HasSubstr("bad_key___"));
    EXPECT_THAT(text, HasSubstr(format == LogFormat::kText ? "\\x1b[31m\\x07\\x7f\\xff\\xc3(\\u202e\\u009b"
                                                           : "\\u001b[31m\\u0007\\u007f\\ufffd\\ufffd(\\u202e\\u009b"));
  }
}

TEST(Logger, CutsWhatIsTooLong) {
  Capture capture;
  std::string character = "\xc3\xa9";
  std::string message = "x";
  for (int i = 0; i < 50'000; ++i) message += character;
  make(capture, LogFormat::kText).info("s", message, {{"k", message}});
  std::string text = capture.text();
  EXPECT_LT(text.size(), Logger::kMaxMessageBytes + Logger::kMaxValueBytes + 300);
  EXPECT_THAT(text, HasSubstr(character + "...\" app_id"));
}

TEST(Logger, LinesOfManyThreadsStayWhole) {
  Capture capture;
  Logger logger = make(capture, LogFormat::kText);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) logger.info("s", std::string(300, 'x'));
    });
  }
  for (auto& thread : threads) thread.join();
  std::istringstream lines(capture.text());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_TRUE(line.starts_with("time=\"") && line.ends_with(" ver=0.1.0")) << line;
  }
  EXPECT_EQ(count, 800);
}

TEST(Logger, SurvivesAnOutputThatIsGone) {
  Logger logger({.fd = -1});
  logger.error("s", "nobody hears this");
  SUCCEED();
}

TEST(LogLevels, AreParsed) {
  EXPECT_EQ(parse_log_level("DEBUG").value(), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("warning").value(), LogLevel::kWarn);
  EXPECT_FALSE(parse_log_level("loud"));
}

TEST(LineLogger, SplitsLinesAndBoundsThem) {
  Capture capture;
  Logger logger = make(capture, LogFormat::kText);
  {
    LineLogger lines(logger, LogLevel::kInfo, "tandem.guest", "stdout");
    lines.set_trace_id("abc");
    lines.write("one\r\ntw");
    lines.write("o\n\n");
    lines.set_trace_id("");
    lines.write(std::string(LineLogger::kMaxLineBytes + 5, 'y') + "\n");
    lines.write("rest");
  }
  std::string text = capture.text();
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_THAT(all[0],
              HasSubstr("msg=one app_id=orders instance=host scope=tandem.guest stream=stdout trace_id=abc type=log"));
  EXPECT_THAT(all[1], HasSubstr("msg=two "));
  EXPECT_THAT(all[2], HasSubstr("msg= "));
  EXPECT_THAT(all[3], HasSubstr(std::string(LineLogger::kMaxLineBytes, 'y') + " "));
  EXPECT_THAT(all[3], Not(HasSubstr("trace_id")));
  EXPECT_THAT(all[4], HasSubstr("msg=yyyyy "));
  EXPECT_THAT(all[5], HasSubstr("msg=rest "));
}

}  // namespace
}  // namespace tandem
