#include "components/bindings/cron/cron_schedule.h"

#include <absl/time/civil_time.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tandem::components {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// "2026-03-01 12:00:00" in a zone.
absl::Time at(std::string_view time, const std::string& zone = "UTC") {
  absl::TimeZone where;
  EXPECT_TRUE(absl::LoadTimeZone(zone, &where)) << zone;
  absl::Time parsed;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%S", std::string(time), where, &parsed, &error)) << error;
  return parsed;
}

// When `schedule` comes after a time of its zone, told by that zone's clock.
std::string next(const std::string& schedule, std::string_view time, const std::string& zone = "UTC") {
  const auto parsed = CronSchedule::parse("CRON_TZ=" + zone + " " + schedule);
  if (!parsed) return parsed.error().message;
  const auto found = parsed->next_after(absl::ToChronoTime(at(time, zone)));
  if (!found) return "never";
  absl::TimeZone where;
  EXPECT_TRUE(absl::LoadTimeZone(zone, &where));
  return absl::FormatTime("%Y-%m-%d %H:%M:%S%Ez", absl::FromChrono(*found), where);
}

struct Case {
  const char* schedule;
  const char* after;
  const char* expected;
};

TEST(CronSchedule, ComesNext) {
  for (const Case& one : {
           Case{"* * * * *", "2026-11-29 05:12:10", "2026-11-29 05:13:00+00:00"},
           Case{"* * * * * *", "2026-11-29 05:12:10", "2026-11-29 05:12:11+00:00"},
           Case{"*/15 * * * * *", "2026-11-29 05:12:10", "2026-11-29 05:12:15+00:00"},
           Case{"0/20 * * * * *", "2026-11-29 05:12:41", "2026-11-29 05:13:00+00:00"},
           Case{"30 4 * * *", "2026-11-29 05:12:10", "2026-11-30 04:30:00+00:00"},
           Case{"0 30 4 1,15 * ?", "2026-11-29 05:12:10", "2026-12-01 04:30:00+00:00"},
           Case{"0 0 29 2 *", "2026-11-29 05:12:10", "2028-02-29 00:00:00+00:00"},
           Case{"0 9 * * mon-fri", "2026-11-27 09:00:00", "2026-11-30 09:00:00+00:00"},
           Case{"0 9 * JAN,dec SUN", "2026-11-29 05:12:10", "2026-12-06 09:00:00+00:00"},
           // Neither is a star: one that fits is enough.
           Case{"0 0 13 * 5", "2026-11-29 05:12:10", "2026-12-04 00:00:00+00:00"},
           Case{"0 0 */10 * 5", "2026-12-05 05:12:10", "2026-12-11 00:00:00+00:00"},
           Case{"10-20/5 1-3 * * *", "2026-11-29 03:20:00", "2026-11-30 01:10:00+00:00"},
           Case{"59 59 23 31 12 *", "2026-12-31 23:59:59", "2027-12-31 23:59:59+00:00"},
           Case{"@yearly", "2026-11-29 05:12:10", "2027-01-01 00:00:00+00:00"},
           Case{"@annually", "2026-11-29 05:12:10", "2027-01-01 00:00:00+00:00"},
           Case{"@monthly", "2026-11-29 05:12:10", "2026-12-01 00:00:00+00:00"},
           Case{"@weekly", "2026-11-29 05:12:10", "2026-12-06 00:00:00+00:00"},
           Case{"@daily", "2026-11-29 05:12:10", "2026-11-30 00:00:00+00:00"},
           Case{"@midnight", "2026-11-29 05:12:10", "2026-11-30 00:00:00+00:00"},
           Case{"@hourly", "2026-11-29 05:12:10", "2026-11-29 06:00:00+00:00"},
           Case{"@every 90m", "2026-11-29 05:12:10", "2026-11-29 06:42:10+00:00"},
           Case{"0 0 31 2 *", "2026-11-29 05:12:10", "never"},
       }) {
    EXPECT_EQ(next(one.schedule, one.after), one.expected) << one.schedule;
  }
}

TEST(CronSchedule, KeepsToItsZonesClock) {
  EXPECT_EQ(next("0 8 * * *", "2026-11-29 08:00:00", "Asia/Tokyo"), "2026-11-30 08:00:00+09:00");
  // In Zurich 2:00 to 3:00 is not there on 2026-03-29, and there twice on 2026-10-25.
  EXPECT_EQ(next("30 2 * * *", "2026-03-28 12:00:00", "Europe/Zurich"), "2026-03-30 02:30:00+02:00");
  EXPECT_EQ(next("0 * * * *", "2026-03-29 01:10:00", "Europe/Zurich"), "2026-03-29 03:00:00+02:00");
  EXPECT_EQ(next("30 2 * * *", "2026-10-24 12:00:00", "Europe/Zurich"), "2026-10-25 02:30:00+02:00");
  const auto twice = CronSchedule::parse("TZ=Europe/Zurich 30 2 * * *");
  ASSERT_TRUE(twice);
  const auto first = twice->next_after(absl::ToChronoTime(at("2026-10-24 12:00:00", "Europe/Zurich")));
  ASSERT_TRUE(first);
  EXPECT_EQ(*twice->next_after(*first) - *first, 1h);
  // Days that begin at 1:00, in Beirut.
  EXPECT_EQ(next("0 0 * * *", "2026-03-28 12:00:00", "Asia/Beirut"), "2026-03-30 00:00:00+03:00");
  EXPECT_EQ(next("@hourly", "2026-03-28 23:10:00", "Asia/Beirut"), "2026-03-29 01:00:00+03:00");
}

TEST(CronSchedule, AnIntervalIsNoTimeOfTheClock) {
  const auto schedule = CronSchedule::parse("@every 1h30m");
  ASSERT_TRUE(schedule);
  EXPECT_EQ(schedule->interval(), 90min);
  EXPECT_EQ(CronSchedule::parse("@every 5ms")->interval(), 5ms);
  EXPECT_EQ(CronSchedule::parse("@hourly")->interval(), std::nullopt);
  EXPECT_EQ(CronSchedule::parse("@every 1000000h")->interval(), std::chrono::years(100));
}

TEST(CronSchedule, SaysWhatIsWrong) {
  struct Wrong {
    const char* schedule;
    const char* why;
  };
  for (const Wrong& one : {
           Wrong{"", "schedule not set"},
           Wrong{"* * * *", "expected 5 to 6 fields, found 4"},
           Wrong{"* * * * * * *", "expected 5 to 6 fields, found 7"},
           Wrong{"5 j * * *", "hour: j: \"j\" is no number"},
           Wrong{"60 * * * *", "the most is 59"},
           Wrong{"* * 0 * *", "the least is 1"},
           Wrong{"* * * * 7", "the most is 6"},
           Wrong{"5-3 * * * *", "the range ends before it begins"},
           Wrong{"*/0 * * * *", "a step must be above zero"},
           Wrong{"*/-2 * * * *", "a negative number is not allowed"},
           Wrong{", * * * * *", "second: ,: names no value"},
           Wrong{"1//2 * * * *", "too many slashes"},
           Wrong{"1-2-3 * * * *", "too many hyphens"},
           Wrong{"99999999999999999999 * * * *", "is no number"},
           Wrong{"@sometimes", "unrecognized descriptor: @sometimes"},
           Wrong{"@every Xm", "failed to parse duration Xm"},
           Wrong{"@every 0s", "must be above zero"},
           Wrong{"TZ=No/Where * * * * *", "there is no time zone No/Where"},
           Wrong{"CRON_TZ=../../etc/passwd * * * * *", "there is no time zone"},
           Wrong{"TZ=UTC", "expected 5 to 6 fields, found 0"},
       }) {
    const auto schedule = CronSchedule::parse(one.schedule);
    ASSERT_FALSE(schedule) << one.schedule;
    EXPECT_EQ(schedule.error().code, Code::kInvalidArgument);
    EXPECT_THAT(schedule.error().message, HasSubstr(one.why)) << one.schedule;
  }
}

}  // namespace
}  // namespace tandem::components
