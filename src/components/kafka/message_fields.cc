#include "components/kafka/message_fields.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <charconv>

namespace tandem::components::kafka {
namespace {

constexpr std::int64_t kPatternMemory = 1 << 20;

std::string_view view_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

// As Go's url.QueryEscape.
std::string query_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      escaped += c;
    } else if (c == ' ') {
      escaped += '+';
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

Result<std::int32_t> parse_partition(std::string_view text) {
  std::int32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kInvalidArgument, fmt::format("invalid partitionNumber metadata value \"{}\"", text));
  }
  if (number < 0) {
    return fail(Code::kInvalidArgument, fmt::format("partitionNumber must be non-negative, got {}", number));
  }
  return number;
}

}  // namespace

Result<std::shared_ptr<const MessageFields>> MessageFields::compile(const std::string& excluded, Escape escape) {
  std::unique_ptr<re2::RE2> pattern;
  if (!excluded.empty()) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kPatternMemory);
    pattern = std::make_unique<re2::RE2>(excluded, options);
    if (!pattern->ok()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("excludeHeaderMetaRegex: is no regular expression: {}", pattern->error()));
    }
  }
  return std::shared_ptr<const MessageFields>(new MessageFields(std::move(pattern), escape));
}

MessageFields::MessageFields(std::unique_ptr<re2::RE2> excluded, Escape escape)
    : excluded_(std::move(excluded)), escape_(escape) {}
MessageFields::~MessageFields() = default;

bool MessageFields::is_excluded(std::string_view name) const {
  return excluded_ != nullptr && re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *excluded_);
}

std::string MessageFields::shown(std::string_view text) const {
  return escape_ == Escape::kYes ? query_escape(text) : std::string(text);
}

Result<OutgoingFields> MessageFields::outgoing(const Metadata& metadata) const {
  OutgoingFields fields;
  for (const auto& [name, value] : metadata) {
    if (name == "partitionKey" || name == "__key") {
      fields.key = value;
    } else if (name == "partitionNumber") {
      const Result<std::int32_t> number = parse_partition(value);
      if (!number) return fail(number.error());
      fields.partition = *number;
    }
    if (!is_excluded(name)) fields.headers.emplace_back(name, value);
  }
  return fields;
}

Metadata MessageFields::incoming(const rd_kafka_message_t& message) const {
  Metadata metadata;
  if (message.key != nullptr) metadata["__key"] = shown(view_of(message.key, message.key_len));
  metadata["__topic"] = rd_kafka_topic_name(message.rkt);
  metadata["__partition"] = std::to_string(message.partition);
  metadata["__offset"] = std::to_string(message.offset);
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  metadata["__timestamp"] = std::to_string(rd_kafka_message_timestamp(&message, &type));
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return metadata;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    if (!is_excluded(name)) metadata.insert_or_assign(name, shown(view_of(value, size)));
  }
  return metadata;
}

}  // namespace tandem::components::kafka
