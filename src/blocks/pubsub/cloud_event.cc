#include "blocks/pubsub/cloud_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "base/uuid.h"
#include "blocks/pubsub/json_text.h"
#include "blocks/pubsub/protobuf_event.h"
#include "config/duration.h"

namespace tandem::pubsub {
namespace {

constexpr std::string_view kDefaultType = "com.dapr.event.sent";
constexpr std::string_view kDefaultSource = "Dapr";
constexpr std::string_view kSpecVersion = "1.0";

// "Application/JSON; charset=utf-8" is "application/json".
bool is_type(std::string_view content_type, std::string_view expected) {
  return equals_ignoring_case(content_type.substr(0, content_type.find(';')), expected);
}

const std::string* find_ignoring_case(const Metadata& metadata, std::string_view name) {
  if (const auto exact = metadata.find(name); exact != metadata.end()) return &exact->second;
  for (const auto& [key, value] : metadata) {
    if (equals_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

constexpr std::string_view kAttribute = "cloudevent.";

// What a publisher says with "cloudevent.<name>" in whatever case; the exact spelling wins. Null: nothing, which is not
// the same as an empty text: that one takes the place of what is known otherwise.
std::string_view attribute(const Metadata& metadata, std::string_view name) {
  std::string_view found;
  for (const auto& [key, value] : metadata) {
    if (key.size() != kAttribute.size() + name.size()) continue;
    const std::string_view prefix = std::string_view(key).substr(0, kAttribute.size());
    const std::string_view rest = std::string_view(key).substr(kAttribute.size());
    if (prefix == kAttribute && rest == name) return value;
    const bool same = equals_ignoring_case(prefix, kAttribute) && equals_ignoring_case(rest, name);
    if (same && found.data() == nullptr) found = value;
  }
  return found;
}

// The text of an envelope whose members come in the order of their names, which need no escapes.
class EnvelopeText final {
 public:
  explicit EnvelopeText(std::size_t size) { text_.reserve(size); }
  void put_json(std::string_view name, std::string_view value) { begin(name).append(value); }
  void put(std::string_view name, std::string_view text) { append_json_string(begin(name), text); }
  std::string close() {
    text_.push_back('}');
    return std::move(text_);
  }

 private:
  std::string& begin(std::string_view name) {
    text_.push_back(text_.empty() ? '{' : ',');
    return text_.append("\"").append(name).append("\":");
  }

  std::string text_;
};

// The members of an envelope by name, each value as JSON text.
class Envelope final {
 public:
  void put_json(std::string_view name, std::string_view value) { members_.insert_or_assign(std::string(name), value); }
  void put(std::string_view name, std::string_view text) {
    std::string quoted;
    append_json_string(quoted, text);
    members_.insert_or_assign(std::string(name), std::move(quoted));
  }
  bool has(std::string_view name) const { return members_.contains(name); }
  // Null counts as missing.
  void put_default(std::string_view name, std::string_view text) {
    const auto found = members_.find(name);
    if (found == members_.end() || found->second == "null") put(name, text);
  }
  std::string text() const {
    std::size_t size = 2;
    for (const auto& [name, value] : members_) size += name.size() + value.size() + 4;
    std::string text;
    text.reserve(size);
    for (const auto& [name, value] : members_) {
      text.push_back(text.empty() ? '{' : ',');
      append_json_string(text, name);
      text.push_back(':');
      text.append(value);
    }
    if (text.empty()) text.push_back('{');
    text.push_back('}');
    return text;
  }

 private:
  std::map<std::string, std::string, std::less<>> members_;
};

std::string_view or_else(std::string_view text, std::string_view otherwise) { return text.empty() ? otherwise : text; }
std::string_view if_given(std::string_view text, std::string_view otherwise) {
  return text.data() == nullptr ? otherwise : text;
}

bool is_binary(std::string_view content_type, std::string_view data) {
  return is_type(content_type, "application/octet-stream") ||
         is_type(content_type, "application/cloudevents+protobuf") ||
         (is_type(content_type, "application/x-protobuf") && is_protobuf_event(data));
}

template <class Into>
void put_data(Into& envelope, std::string_view content_type, std::string_view data) {
  if (is_type(content_type, "application/json")) {
    if (const std::optional<std::string_view> json = first_json_value(data)) return envelope.put_json("data", *json);
  } else if (is_binary(content_type, data)) {
    return envelope.put("data_base64", base64_encode(data));
  }
  envelope.put("data", data);
}

// When the event's time is over, "" for never.
std::string expiration(const Metadata& metadata, WallTime now) {
  const std::optional<std::chrono::nanoseconds> ttl = time_to_live(metadata);
  if (!ttl) return {};
  // 292 years are the most that 64 bits of nanoseconds hold.
  const bool beyond = *ttl > WallTime::max() - now;
  return format_rfc3339(beyond ? WallTime::max() : now + *ttl);
}

// Room for the members that are not the data, with names and values of the usual length.
constexpr std::size_t kUsualMembers = 640;

std::string wrap(const EnvelopeInput& input, WallTime now) {
  const Metadata& metadata = input.metadata;
  const std::string_view content_type = or_else(input.content_type, "text/plain");
  const std::string_view id = attribute(metadata, "id");
  const std::string_view subject = attribute(metadata, "subject");
  const std::string_view traceid =
      or_else(attribute(metadata, "traceparent"), if_given(attribute(metadata, "traceid"), input.trace.traceparent));
  EnvelopeText envelope(kUsualMembers + input.data.size());
  put_data(envelope, content_type, input.data);
  envelope.put("datacontenttype", content_type);
  if (const std::string end = expiration(metadata, now); !end.empty()) envelope.put("expiration", end);
  envelope.put("id", id.empty() ? random_uuid() : id);
  envelope.put("pubsubname", input.pubsub);
  envelope.put("source", or_else(if_given(attribute(metadata, "source"), input.source), kDefaultSource));
  envelope.put("specversion", kSpecVersion);
  if (!subject.empty()) envelope.put("subject", subject);
  envelope.put("time", format_rfc3339(now));
  envelope.put("topic", input.topic);
  envelope.put("traceid", traceid);
  envelope.put("traceparent", traceid);
  envelope.put("tracestate", if_given(attribute(metadata, "tracestate"), input.trace.tracestate));
  envelope.put("type", or_else(attribute(metadata, "type"), kDefaultType));
  return envelope.close();
}

Result<Envelope> complete(const EnvelopeInput& input, WallTime now) {
  const std::optional<std::vector<JsonMember>> members = json_members(input.data);
  if (!members) return fail(Code::kInvalidArgument, "the data is not a CloudEvent: not a JSON object");
  Envelope envelope;
  for (const JsonMember& member : *members) envelope.put_json(member.name, member.value);
  if (!envelope.has("time")) envelope.put("time", format_rfc3339(now));
  if (!envelope.has("traceid")) {
    envelope.put("traceid", input.trace.traceparent);
    envelope.put("traceparent", input.trace.traceparent);
  }
  if (!envelope.has("tracestate")) envelope.put("tracestate", input.trace.tracestate);
  envelope.put("topic", input.topic);
  envelope.put("pubsubname", input.pubsub);
  envelope.put_default("source", kDefaultSource);
  envelope.put_default("type", kDefaultType);
  envelope.put_default("specversion", kSpecVersion);
  return envelope;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int number = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

}  // namespace

Result<std::string> make_envelope(const EnvelopeInput& input, WallTime now) {
  if (!is_type(input.content_type, kCloudEventType)) return wrap(input, now);
  Result<Envelope> envelope = complete(input, now);
  if (!envelope) return fail(std::move(envelope.error()));
  if (const std::string end = expiration(input.metadata, now); !end.empty()) envelope->put("expiration", end);
  return envelope->text();
}

std::string make_outbox_event(const OutboxEventInput& input, WallTime now) {
  const std::string_view content_type = or_else(input.content_type, "text/plain");
  Envelope envelope;
  put_data(envelope, content_type, input.data);
  envelope.put("datacontenttype", content_type);
  envelope.put("id", input.id);
  envelope.put("pubsubname", input.pubsub);
  envelope.put("source", or_else(input.source, kDefaultSource));
  envelope.put("specversion", kSpecVersion);
  envelope.put("time", format_rfc3339(now));
  envelope.put("topic", "");
  envelope.put("traceid", input.trace.traceparent);
  envelope.put("traceparent", "");
  envelope.put("tracestate", input.trace.tracestate);
  envelope.put("type", kDefaultType);
  for (const auto& [name, value] : input.metadata) {
    if (name != "id" && name != "data") envelope.put(name, value);
  }
  return envelope.text();
}

Result<std::string> address_event(std::string_view text, std::string_view pubsub, std::string_view topic) {
  const std::optional<std::vector<JsonMember>> members = json_members(text);
  if (!members) return fail(Code::kInvalidArgument, "not a JSON object");
  Envelope envelope;
  for (const JsonMember& member : *members) envelope.put_json(member.name, member.value);
  envelope.put("topic", topic);
  envelope.put("pubsubname", pubsub);
  return envelope.text();
}

std::string wrap_raw_payload(std::string_view data, std::string_view pubsub, std::string_view topic,
                             const Metadata& metadata) {
  const std::string text = base64_encode(data);
  const auto given = [&](std::string_view name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? nullptr : &found->second;
  };
  const std::string* const parent = given("traceparent");
  // The parent, where there is one, is also the id.
  const std::string* const id = parent != nullptr ? parent : given("traceid");
  EnvelopeText envelope(kUsualMembers + text.size());
  envelope.put("data_base64", text);
  envelope.put("datacontenttype", "application/octet-stream");
  envelope.put("id", random_uuid());
  envelope.put("pubsubname", pubsub);
  envelope.put("source", kDefaultSource);
  envelope.put("specversion", kSpecVersion);
  envelope.put("topic", topic);
  if (id != nullptr) envelope.put("traceid", *id);
  if (parent != nullptr) envelope.put("traceparent", *parent);
  if (const std::string* const state = given("tracestate")) envelope.put("tracestate", *state);
  envelope.put("type", kDefaultType);
  return envelope.close();
}

Result<EventFacts> read_envelope(std::string_view envelope) {
  const std::optional<std::string_view> object = first_json_value(envelope);
  if (!object || object->front() != '{') return fail(Code::kInvalidArgument, "not a JSON object");
  EventFacts facts;
  std::string traceid;
  const std::pair<std::string_view, std::string*> wanted[] = {
      {"id", &facts.id},     {"datacontenttype", &facts.content_type},  {"expiration", &facts.expiration},
      {"traceid", &traceid}, {"traceparent", &facts.trace.traceparent}, {"tracestate", &facts.trace.tracestate}};
  // Of equal names the last one counts.
  JsonMembers members(*object);
  std::string name;
  std::string_view value;
  while (members.next(name, value)) {
    for (const auto& [member, to] : wanted) {
      if (name == member) *to = json_string(value).value_or("");
    }
  }
  if (facts.trace.traceparent.empty()) facts.trace.traceparent = std::move(traceid);
  return facts;
}

bool has_expired(std::string_view expiration, WallTime now) {
  const std::optional<WallTime> end = parse_rfc3339(expiration);
  return end && *end < now;
}

std::optional<std::chrono::nanoseconds> time_to_live(const Metadata& metadata) {
  const std::string* text = find_ignoring_case(metadata, "ttl");
  if (text == nullptr) text = find_ignoring_case(metadata, "ttlInSeconds");
  if (text == nullptr || text->empty()) return std::nullopt;
  if (const Result<std::chrono::nanoseconds> duration = config::parse_duration(*text)) {
    return std::max(*duration, std::chrono::nanoseconds(0));
  }
  const std::int64_t seconds = parse_number<std::int64_t>(*text).value_or(0);
  if (seconds <= 0) return std::nullopt;
  constexpr std::int64_t kMost = std::chrono::nanoseconds::max().count() / 1'000'000'000;
  if (seconds > kMost) return std::chrono::nanoseconds::max();
  return std::chrono::seconds(seconds);
}

Result<bool> is_raw_payload(const Metadata& metadata) {
  const auto found = metadata.find(std::string_view("rawPayload"));
  if (found == metadata.end() || found->second.empty()) return false;
  const std::string& text = found->second;
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return fail(Code::kInvalidArgument, "rawPayload value must be a valid boolean: actual is '" + text + "'");
}

std::string format_rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using std::chrono::day;
  using std::chrono::month;
  using std::chrono::year;
  const std::optional<int> y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2),
                           h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (!y || !mo || !d || !h || !mi || !s || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(year(*y), month(static_cast<unsigned>(*mo)), day(static_cast<unsigned>(*d)));
  // Years that 64 bits of nanoseconds hold.
  if (!date.ok() || *y < 1700 || *y > 2260 || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  WallTime time =
      std::chrono::sys_days(date) + std::chrono::hours(*h) + std::chrono::minutes(*mi) + std::chrono::seconds(*s);
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000'000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      time += std::chrono::nanoseconds(unit * (text[at] - '0'));
    }
    if (at == first) return std::nullopt;
  }
  if (at + 1 == text.size() && text[at] == 'Z') return time;
  const std::optional<int> oh = digits(text, at + 1, 2), om = digits(text, at + 4, 2);
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || !oh || !om || text[at + 3] != ':') {
    return std::nullopt;
  }
  const std::chrono::minutes offset = std::chrono::hours(*oh) + std::chrono::minutes(*om);
  return text[at] == '+' ? time - offset : time + offset;
}

}  // namespace tandem::pubsub
