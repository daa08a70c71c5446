// A message of Kafka and the metadata of Dapr: which metadata becomes its key, its partition and its headers, and what
// a subscriber is told of it. As daprd does it (components-contrib, common/component/kafka).
//
// Immutable; any thread. compile() fails with kInvalidArgument when the expression is none.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace re2 {
class RE2;
}

namespace tandem::components::kafka {

// What of a publish goes beside its data. Views into its metadata.
struct OutgoingFields {
  std::optional<std::string_view> key;
  std::int32_t partition = RD_KAFKA_PARTITION_UA;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

class MessageFields final {
 public:
  enum class Escape { kNo, kYes };
  // `excluded`: a regular expression over the names of headers that are not passed on, in neither direction.
  static Result<std::shared_ptr<const MessageFields>> compile(const std::string& excluded, Escape escape);
  ~MessageFields();

  // Fails with kInvalidArgument when partitionNumber is no number.
  Result<OutgoingFields> outgoing(const Metadata& metadata) const;
  // The key, the headers, and where the message stands.
  Metadata incoming(const rd_kafka_message_t& message) const;

 private:
  MessageFields(std::unique_ptr<re2::RE2> excluded, Escape escape);
  bool is_excluded(std::string_view name) const;
  std::string shown(std::string_view text) const;

  const std::unique_ptr<re2::RE2> excluded_;  // null: none
  const Escape escape_;
};

}  // namespace tandem::components::kafka
