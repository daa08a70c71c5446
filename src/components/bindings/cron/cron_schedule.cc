#include "components/bindings/cron/cron_schedule.h"

#include <absl/time/civil_time.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/duration.h"
#include "config/text.h"

namespace tandem::components {
namespace {

using config::printable;

constexpr int kYears = 5;
constexpr std::chrono::years kLongest{100};  // interval: a clock can count it
constexpr std::string_view kEvery = "@every ";

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Descriptor {
  std::string_view name;
  std::string_view fields;
};
constexpr std::array kDescriptors = {Descriptor{"@yearly", "0 0 0 1 1 *"},  Descriptor{"@annually", "0 0 0 1 1 *"},
                                     Descriptor{"@monthly", "0 0 0 1 * *"}, Descriptor{"@weekly", "0 0 0 * * 0"},
                                     Descriptor{"@daily", "0 0 0 * * *"},   Descriptor{"@midnight", "0 0 0 * * *"},
                                     Descriptor{"@hourly", "0 0 * * * *"}};

std::unexpected<Error> wrong(std::string message) { return fail(Code::kInvalidArgument, std::move(message)); }

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find_first_of(separators, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found = split(text, " \t\r\n\v\f");
  std::erase(found, std::string_view());
  return found;
}

Result<int> parse_number(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
    return wrong(fmt::format("\"{}\" is no number", printable(text)));
  }
  if (number < 0) return wrong(fmt::format("a negative number is not allowed: {}", printable(text)));
  return number;
}

// The file of a zone is found by its name: nothing that leads elsewhere.
Result<absl::TimeZone> load_zone(const std::string& name) {
  if (name.empty()) return absl::UTCTimeZone();
  if (name == "Local") return absl::LocalTimeZone();
  absl::TimeZone zone;
  if (name.starts_with('/') || name.contains("..") || name.contains(':') || !absl::LoadTimeZone(name, &zone)) {
    return wrong(fmt::format("there is no time zone {}", printable(name)));
  }
  return zone;
}

// The first moment at which the clock shows `time` or, when it skips that, something later.
absl::Time first_moment(const absl::TimeZone& zone, absl::CivilSecond time) {
  const absl::TimeZone::TimeInfo info = zone.At(time);
  return info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre;
}

// The next full hour; only the next full minute when the clock is changed on the way there.
absl::Time next_hour(const absl::TimeZone& zone, absl::Time time, const absl::TimeZone::CivilInfo& here) {
  const absl::Time hour = time + absl::Seconds(3600 - here.cs.minute() * 60 - here.cs.second());
  return zone.At(hour).offset == here.offset ? hour : time + absl::Seconds(60 - here.cs.second());
}

}  // namespace

struct CronSchedule::Bounds {
  std::string_view what;
  int min;
  int max;
  std::span<const std::string_view> names;

  Result<int> value_of(std::string_view text) const {
    const auto named = std::ranges::find(names, to_lower(text));
    if (named != names.end()) return static_cast<int>(named - names.begin()) + min;
    return parse_number(text);
  }
};

// "*", "?", "n", "n-m", each perhaps with "/step"; "n/step" goes on to the end.
Result<CronSchedule::Field> CronSchedule::parse_range(std::string_view text, const Bounds& bounds) {
  const auto refuse = [&](std::string_view why) {
    return wrong(fmt::format("{}: {}: {}", bounds.what, printable(text), why));
  };
  const std::vector<std::string_view> parts = split(text, "/");
  const std::vector<std::string_view> ends = split(parts[0], "-");
  if (parts.size() > 2) return refuse("too many slashes");
  const bool star = ends[0] == "*" || ends[0] == "?";
  int first = bounds.min;
  int last = bounds.max;
  if (!star) {
    if (ends.size() > 2) return refuse("too many hyphens");
    const Result<int> from = bounds.value_of(ends[0]);
    if (!from) return refuse(from.error().message);
    const Result<int> to = bounds.value_of(ends.back());
    if (!to) return refuse(to.error().message);
    first = *from;
    last = ends.size() == 1 && parts.size() == 2 ? bounds.max : *to;
  }
  int step = 1;
  if (parts.size() == 2) {
    const Result<int> given = parse_number(parts[1]);
    if (!given) return refuse(given.error().message);
    step = *given;
  }
  if (first < bounds.min) return refuse(fmt::format("the least is {}", bounds.min));
  if (last > bounds.max) return refuse(fmt::format("the most is {}", bounds.max));
  if (first > last) return refuse("the range ends before it begins");
  if (step == 0) return refuse("a step must be above zero");
  Field field{.all = star && step == 1};
  for (int value = first; value <= last; value += std::min(step, 64)) field.bits |= std::uint64_t{1} << value;
  return field;
}

Result<CronSchedule::Field> CronSchedule::parse_field(std::string_view text, const Bounds& bounds) {
  std::vector<std::string_view> ranges = split(text, ",");
  std::erase(ranges, std::string_view());
  if (ranges.empty()) return wrong(fmt::format("{}: {}: names no value", bounds.what, printable(text)));
  Field field;
  for (const std::string_view range : ranges) {
    const Result<Field> one = parse_range(range, bounds);
    if (!one) return fail(one.error());
    field.bits |= one->bits;
    field.all = field.all || one->all;
  }
  return field;
}

Result<CronSchedule> CronSchedule::parse_fields(std::string_view text, absl::TimeZone zone) {
  std::vector<std::string_view> fields = words(text);
  if (fields.size() != 5 && fields.size() != 6) {
    return wrong(fmt::format("expected 5 to 6 fields, found {}: {}", fields.size(), printable(text)));
  }
  if (fields.size() == 5) fields.insert(fields.begin(), "0");
  CronSchedule schedule;
  schedule.zone_ = std::move(zone);
  struct Place {
    Field& field;
    Bounds bounds;
  };
  const std::array places = {
      Place{schedule.second_, {"second", 0, 59, {}}},    Place{schedule.minute_, {"minute", 0, 59, {}}},
      Place{schedule.hour_, {"hour", 0, 23, {}}},        Place{schedule.day_, {"day of month", 1, 31, {}}},
      Place{schedule.month_, {"month", 1, 12, kMonths}}, Place{schedule.weekday_, {"day of week", 0, 6, kDays}}};
  for (std::size_t i = 0; i < places.size(); ++i) {
    Result<Field> field = parse_field(fields[i], places[i].bounds);
    if (!field) return fail(std::move(field.error()));
    places[i].field = *field;
  }
  return schedule;
}

Result<CronSchedule> CronSchedule::parse_descriptor(std::string_view text, absl::TimeZone zone) {
  const auto known = std::ranges::find(kDescriptors, text, &Descriptor::name);
  if (known != kDescriptors.end()) return parse_fields(known->fields, std::move(zone));
  if (!text.starts_with(kEvery)) return wrong(fmt::format("unrecognized descriptor: {}", printable(text)));
  const std::string_view given = text.substr(kEvery.size());
  const Result<std::chrono::nanoseconds> interval = config::parse_duration(given);
  if (!interval)
    return wrong(fmt::format("failed to parse duration {}: {}", printable(given), interval.error().message));
  if (interval->count() <= 0) return wrong("the duration of @every must be above zero");
  CronSchedule schedule;
  schedule.interval_ = std::min<std::chrono::nanoseconds>(*interval, kLongest);
  return schedule;
}

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  if (text.empty()) return wrong("schedule not set");
  absl::TimeZone zone = absl::LocalTimeZone();
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    const std::size_t begin = text.find('=') + 1;
    const std::size_t end = std::min(text.find(' '), text.size());
    Result<absl::TimeZone> named = load_zone(std::string(text.substr(begin, end - begin)));
    if (!named) return fail(std::move(named.error()));
    zone = std::move(*named);
    text = trim(text.substr(end));
  }
  return text.starts_with('@') ? parse_descriptor(text, std::move(zone)) : parse_fields(text, std::move(zone));
}

// Where neither of the two is a star, one that fits is enough.
bool CronSchedule::fits_day(const absl::CivilSecond& time) const {
  const int weekday = (static_cast<int>(absl::GetWeekday(time)) + 1) % 7;  // Abseil begins with Monday
  const bool fits = day_.has(time.day());
  const bool fits_week = weekday_.has(weekday);
  return day_.all || weekday_.all ? fits && fits_week : fits || fits_week;
}

std::optional<CronSchedule::WallTime> CronSchedule::next_after(WallTime after) const {
  if (interval_) return after + *interval_;
  absl::Time time = absl::FromChrono(std::chrono::floor<std::chrono::seconds>(after)) + absl::Seconds(1);
  const auto last_year = zone_.At(time).cs.year() + kYears;
  for (;;) {
    const absl::TimeZone::CivilInfo here = zone_.At(time);
    const absl::CivilSecond& clock = here.cs;
    if (clock.year() > last_year) return std::nullopt;
    absl::Time later;
    if (!month_.has(clock.month())) {
      later = first_moment(zone_, absl::CivilSecond(absl::CivilMonth(clock) + 1));
    } else if (!fits_day(clock)) {
      later = first_moment(zone_, absl::CivilSecond(absl::CivilDay(clock) + 1));
    } else if (!hour_.has(clock.hour())) {
      later = next_hour(zone_, time, here);
    } else if (!minute_.has(clock.minute())) {
      later = time + absl::Seconds(60 - clock.second());
    } else if (!second_.has(clock.second())) {
      later = time + absl::Seconds(1);
    } else {
      return absl::ToChronoTime(time);
    }
    time = std::max(later, time + absl::Seconds(1));
  }
}

}  // namespace tandem::components
