#include <fmt/format.h>

#include <vector>

#include "blocks/pubsub/json_text.h"
#include "blocks/pubsub/pubsub_service.h"

namespace tandem::pubsub {
namespace {

// As much of an app's answer as is worth a log line.
constexpr std::size_t kNotedBytes = 1024;

bool is_status(std::string_view name) {
  static constexpr std::string_view kStatus = "status";
  if (name.size() != kStatus.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] + 32) : name[i];
    if (c != kStatus[i]) return false;
  }
  return true;
}

}  // namespace

ResponseVerdict verdict_of_response(int status, std::string_view body) {
  if (status == 404) {
    return {Verdict::kDrop,
            fmt::format("non-retriable error returned from app while processing pub/sub event: {}. status "
                        "code returned: 404",
                        body.substr(0, kNotedBytes))};
  }
  if (status < 200 || status > 299) {
    return {Verdict::kRetry, fmt::format("retriable error returned from app while processing pub/sub event, body: {}. "
                                         "status code returned: {}",
                                         body.substr(0, kNotedBytes), status)};
  }
  // What is not {"status":"…"} says nothing about the message: it was taken.
  const std::optional<std::vector<JsonMember>> members = json_members(body);
  if (!members) return {Verdict::kSuccess, {}};
  std::string said;
  for (const JsonMember& member : *members) {
    if (!is_status(member.name)) continue;
    const std::optional<std::string> text = json_string(member.value);
    if (!text) return {Verdict::kSuccess, {}};
    said = *text;
  }
  if (said.empty() || said == "SUCCESS") return {Verdict::kSuccess, {}};
  if (said == "DROP") return {Verdict::kDrop, "DROP status returned from app while processing pub/sub event"};
  if (said == "RETRY") return {Verdict::kRetry, "RETRY status returned from app while processing pub/sub event"};
  return {Verdict::kRetry,
          "unknown status returned from app while processing pub/sub event: " + said.substr(0, kNotedBytes)};
}

}  // namespace tandem::pubsub
