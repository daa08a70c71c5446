// The commands of Redis's streams that Dapr's component uses, and their answers as values: the same fields, groups and
// consumers, so that a daprd and a Tandem share a stream (https://redis.io/docs/latest/develop/data-types/streams/).
//
// Pure functions; any thread. What an answer lacks is left out: nothing fails.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "blocks/pubsub/pubsub_broker.h"
#include "components/pubsub/redis/redis_stream_options.h"
#include "components/redis/redis_codec.h"

namespace tandem::components {

// A group of a topic's consumers, all of which have its name.
struct StreamGroup {
  std::string topic;
  std::string name;
};

// `now` is what the options' streamTTL counts from.
std::string add_command(const pubsub::PublishRequest& request, const RedisStreamOptions& options,
                        std::chrono::system_clock::time_point now);
// The stream is made with it where there is none, and the group gets all that is in it.
std::string create_group_command(const StreamGroup& group);
std::string read_command(const StreamGroup& group, std::size_t count, std::chrono::milliseconds block);
std::string acknowledge_command(const StreamGroup& group, std::span<const std::string> ids);
std::string pending_command(const StreamGroup& group, std::string_view from, std::size_t count);
// Those of the messages that nobody has had in hand for `idle`, with what is in them.
std::string claim_command(const StreamGroup& group, std::chrono::milliseconds idle, std::span<const std::string> ids);
// The messages are this group's as of now, or as if they had been delivered `ago`; only their ids come back.
std::string hold_command(const StreamGroup& group, std::chrono::milliseconds ago, std::span<const std::string> ids);

struct StreamEntry {
  std::string id;
  bool deleted = false;  // only its id is left, and of old servers not even that
  std::string data;
  Metadata metadata;
  std::string problem;  // what is wrong with the metadata, if anything
};
// Of XREADGROUP for one stream; of XCLAIM.
std::vector<StreamEntry> read_entries(RedisValue& answer);
std::vector<StreamEntry> claimed_entries(RedisValue& answer);

struct PendingEntry {
  std::string id;
  std::chrono::milliseconds idle{0};
};
std::vector<PendingEntry> pending_entries(const RedisValue& answer);

// The smallest id above `id`, "1526919030474-55".
std::string next_stream_id(std::string_view id);

}  // namespace tandem::components
