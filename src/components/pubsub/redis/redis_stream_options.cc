#include "components/pubsub/redis/redis_stream_options.h"

#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace tandem::components {
namespace {

using config::MetadataReader;
using std::chrono::milliseconds;

constexpr std::int64_t kMaxQueueDepth = 100'000;
constexpr std::int64_t kMaxConcurrency = 10'000;

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::unexpected<Error> wrong(std::string_view key, std::string_view why) {
  return fail(Code::kInvalidArgument, std::string(key) + ": " + std::string(why));
}

Status read_duration(const MetadataReader& metadata, std::string_view key, milliseconds& into) {
  const std::string text = metadata.get_string(key);
  if (text.empty()) return {};
  Result<std::optional<milliseconds>> value = parse_redis_duration(key, text);
  if (!value) return fail(std::move(value.error()));
  if (!*value) return wrong(key, "must not be below zero");
  into = **value;
  return {};
}

Status read_count(const MetadataReader& metadata, std::string_view key, std::int64_t most, std::size_t& into) {
  const std::int64_t value = metadata.get_int(key, static_cast<std::int64_t>(into));
  if (value < 1 || value > most) return wrong(key, "must be between 1 and " + std::to_string(most));
  into = static_cast<std::size_t>(value);
  return {};
}

}  // namespace

Result<RedisStreamOptions> read_redis_stream_options(const MetadataReader& metadata) {
  Result<RedisOptions> redis = read_redis_options(metadata);
  if (!redis) return fail(std::move(redis.error()));
  RedisStreamOptions options{.redis = std::move(*redis), .consumer_id = trimmed(metadata.get_string("consumerID"))};
  for (const auto& [key, into] :
       {std::pair("redeliverInterval", &options.redeliver_interval),
        std::pair("processingTimeout", &options.processing_timeout), std::pair("streamTTL", &options.stream_ttl)}) {
    if (Status status = read_duration(metadata, key, *into); !status) return fail(std::move(status.error()));
  }
  for (const auto& [key, most, into] : {std::tuple("queueDepth", kMaxQueueDepth, &options.queue_depth),
                                        std::tuple("concurrency", kMaxConcurrency, &options.concurrency)}) {
    if (Status status = read_count(metadata, key, most, *into); !status) return fail(std::move(status.error()));
  }
  options.max_length = metadata.get_int("maxLenApprox");
  if (options.max_length < 0) return wrong("maxLenApprox", "must not be below zero");
  return options;
}

}  // namespace tandem::components
