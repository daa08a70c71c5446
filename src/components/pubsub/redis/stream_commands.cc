#include "components/pubsub/redis/stream_commands.h"

#include <charconv>
#include <utility>

#include "base/json.h"

namespace tandem::components {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kData = "data";
constexpr std::string_view kMetadata = "metadata";

std::string with_ids(std::vector<std::string_view> words, std::span<const std::string> ids,
                     std::initializer_list<std::string_view> rest = {}) {
  words.insert(words.end(), ids.begin(), ids.end());
  words.insert(words.end(), rest.begin(), rest.end());
  return encode_command(words);
}

void read_metadata(const std::string& text, StreamEntry& entry) {
  const Result<std::string_view> value = parse_json(text);
  if (!value) {
    entry.problem = value.error().message;
    return;
  }
  if (json_kind(*value) == JsonKind::kNull) return;
  Result<Metadata> map = json_string_map_field(*value, kMetadata);
  if (map) {
    entry.metadata = std::move(*map);
  } else {
    entry.problem = map.error().message;
  }
}

// An id, then names and values in turn.
StreamEntry read_entry(RedisValue& item) {
  StreamEntry entry;
  entry.deleted = true;
  if (item.items.size() < 2) return entry;
  entry.id = std::move(item.items[0].text);
  std::vector<RedisValue>& fields = item.items[1].items;
  if (item.items[1].is_nil()) return entry;
  entry.deleted = false;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i].text == kData) entry.data = std::move(fields[i + 1].text);
    if (fields[i].text == kMetadata) read_metadata(fields[i + 1].text, entry);
  }
  return entry;
}

}  // namespace

std::string add_command(const pubsub::PublishRequest& request, const RedisStreamOptions& options,
                        std::chrono::system_clock::time_point now) {
  std::vector<std::string_view> words = {"XADD", request.topic};
  std::string limit;
  if (options.max_length > 0) {
    limit = std::to_string(options.max_length);
    words.insert(words.end(), {"MAXLEN", "~", limit});
  } else if (options.stream_ttl.count() > 0) {
    const auto oldest = std::chrono::duration_cast<milliseconds>((now - options.stream_ttl).time_since_epoch());
    limit = std::to_string(oldest.count()) + "-1";
    words.insert(words.end(), {"MINID", "~", limit});
  }
  std::string metadata;
  append_json_map(metadata, request.metadata);
  words.insert(words.end(), {"*", kData, *request.data, kMetadata, metadata});
  return encode_command(words);
}

std::string create_group_command(const StreamGroup& group) {
  return encode_command({"XGROUP", "CREATE", group.topic, group.name, "0", "MKSTREAM"});
}

std::string read_command(const StreamGroup& group, std::size_t count, milliseconds block) {
  const std::string most = std::to_string(count);
  const std::string wait = std::to_string(block.count());
  return encode_command(
      {"XREADGROUP", "GROUP", group.name, group.name, "COUNT", most, "BLOCK", wait, "STREAMS", group.topic, ">"});
}

std::string acknowledge_command(const StreamGroup& group, std::span<const std::string> ids) {
  return with_ids({"XACK", group.topic, group.name}, ids);
}

std::string pending_command(const StreamGroup& group, std::string_view from, std::size_t count) {
  return encode_command({"XPENDING", group.topic, group.name, from, "+", std::to_string(count)});
}

std::string claim_command(const StreamGroup& group, milliseconds idle, std::span<const std::string> ids) {
  const std::string least = std::to_string(idle.count());
  return with_ids({"XCLAIM", group.topic, group.name, group.name, least}, ids);
}

std::string hold_command(const StreamGroup& group, milliseconds ago, std::span<const std::string> ids) {
  const std::string idle = std::to_string(ago.count());
  return with_ids({"XCLAIM", group.topic, group.name, group.name, "0"}, ids, {"IDLE", idle, "JUSTID"});
}

std::vector<StreamEntry> claimed_entries(RedisValue& answer) {
  std::vector<StreamEntry> entries;
  entries.reserve(answer.items.size());
  for (RedisValue& item : answer.items) entries.push_back(read_entry(item));
  return entries;
}

std::vector<StreamEntry> read_entries(RedisValue& answer) {
  // One stream was asked for: its name and its messages, or nothing when there are none.
  if (answer.items.empty() || answer.items[0].items.size() < 2) return {};
  return claimed_entries(answer.items[0].items[1]);
}

std::vector<PendingEntry> pending_entries(const RedisValue& answer) {
  std::vector<PendingEntry> entries;
  for (const RedisValue& item : answer.items) {
    // The id, the consumer, for how long, how often.
    if (item.items.size() >= 3) entries.push_back({item.items[0].text, milliseconds(item.items[2].integer)});
  }
  return entries;
}

std::string next_stream_id(std::string_view id) {
  std::uint64_t time = 0;
  std::uint64_t number = 0;
  const char* const end = id.data() + id.size();
  const char* at = std::from_chars(id.data(), end, time).ptr;
  if (at != end) std::from_chars(at + 1, end, number);
  if (++number == 0) ++time;
  return std::to_string(time) + "-" + std::to_string(number);
}

}  // namespace tandem::components
