#include "blocks/error_details.h"

#include <array>

namespace tandem {
namespace {

enum class Resource { kNone, kState, kPubsub };
// What the ErrorInfo of a rule carries as metadata.
enum class Info { kNull, kApp, kAppAndNamespace, kAppAndError, kTopicAndError, kRequest };
enum class Extra { kNone, kFieldViolation, kTransactionHelp };

// kOk as code matches any.
struct Rule {
  std::string_view reason;
  Code code;
  std::string_view detail;
  Resource resource = Resource::kNone;
  Info info = Info::kNull;
  Extra extra = Extra::kNone;
};

constexpr std::array kRules = {
    Rule{"ERR_STATE_STORE_NOT_CONFIGURED", Code::kOk, "DAPR_STATE_NOT_CONFIGURED", Resource::kNone, Info::kApp},
    Rule{"ERR_STATE_STORE_NOT_FOUND", Code::kOk, "DAPR_STATE_NOT_FOUND", Resource::kNone, Info::kApp},
    Rule{"ERR_STATE_STORE_NOT_SUPPORTED", Code::kUnimplemented, "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED",
         Resource::kState, Info::kNull, Extra::kTransactionHelp},
    Rule{"ERR_STATE_STORE_NOT_SUPPORTED", Code::kOk, "DAPR_STATE_QUERYING_NOT_SUPPORTED", Resource::kState},
    Rule{"ERR_PUBSUB_NOT_CONFIGURED", Code::kOk, "DAPR_PUBSUB_NOT_CONFIGURED", Resource::kNone, Info::kRequest},
    Rule{"ERR_PUBSUB_NOT_FOUND", Code::kOk, "DAPR_PUBSUB_NOT_FOUND", Resource::kNone, Info::kRequest},
    Rule{"ERR_PUBSUB_EMPTY", Code::kOk, "DAPR_PUBSUB_NAME_EMPTY", Resource::kPubsub, Info::kRequest},
    Rule{"ERR_TOPIC_NAME_EMPTY", Code::kOk, "DAPR_PUBSUB_TOPIC_NAME_EMPTY", Resource::kPubsub, Info::kRequest},
    Rule{"ERR_PUBSUB_FORBIDDEN", Code::kOk, "DAPR_PUBSUB_FORBIDDEN", Resource::kPubsub, Info::kTopicAndError},
    Rule{"ERR_PUBSUB_PUBLISH_MESSAGE", Code::kOk, "DAPR_PUBSUB_PUBLISH_MESSAGE", Resource::kPubsub,
         Info::kTopicAndError},
    Rule{"ERR_PUBSUB_REQUEST_METADATA", Code::kOk, "DAPR_PUBSUB_METADATA_DESERIALIZATION", Resource::kPubsub,
         Info::kRequest},
    Rule{"ERR_PUBSUB_CLOUD_EVENTS_SER", Code::kOk, "DAPR_PUBSUB_CLOUD_EVENT_CREATION", Resource::kPubsub,
         Info::kAppAndError},
    Rule{"ERR_PUBSUB_EVENTS_SER", Code::kInvalidArgument, "DAPR_PUBSUB_MARSHAL_ENVELOPE", Resource::kPubsub,
         Info::kAppAndError},
    Rule{"ERR_PUBSUB_EVENTS_SER", Code::kAlreadyExists, "DAPR_PUBSUB_MARSHAL_EVENTS", Resource::kPubsub,
         Info::kAppAndError},
    Rule{"ERR_PUBSUB_EVENTS_SER", Code::kOk, "DAPR_PUBSUB_UNMARSHAL_EVENTS", Resource::kPubsub, Info::kApp},
    Rule{"ERR_PUBLISH_OUTBOX", Code::kOk, "DAPR_PUBSUB_OUTBOX", Resource::kNone, Info::kAppAndError},
    Rule{"DAPR_SCHEDULER_SCHEDULE_JOB", Code::kOk, "DAPR_SCHEDULER_SCHEDULE_JOB", Resource::kNone,
         Info::kAppAndNamespace},
    Rule{"DAPR_SCHEDULER_GET_JOB", Code::kOk, "DAPR_SCHEDULER_GET_JOB", Resource::kNone, Info::kAppAndNamespace},
    Rule{"DAPR_SCHEDULER_LIST_JOBS", Code::kOk, "DAPR_SCHEDULER_LIST_JOBS", Resource::kNone, Info::kAppAndNamespace},
    Rule{"DAPR_SCHEDULER_DELETE_JOB", Code::kOk, "DAPR_SCHEDULER_DELETE_JOB", Resource::kNone, Info::kAppAndNamespace},
};

// A key that no store can take: the one error whose details depend on where it was found.
constexpr Rule kIllegalKey{"ERR_MALFORMED_REQUEST", Code::kOk,   "DAPR_STATE_ILLEGAL_KEY",
                           Resource::kState,        Info::kNull, Extra::kFieldViolation};

const Rule* find_rule(const Error& error, const ErrorSite& site) {
  if (error.reason == kIllegalKey.reason && !site.component.empty()) return &kIllegalKey;
  for (const Rule& rule : kRules) {
    if (rule.reason == error.reason && (rule.code == Code::kOk || rule.code == error.code)) return &rule;
  }
  return nullptr;
}

std::optional<Metadata> info_metadata(Info info, const Error& error, const ErrorSite& site) {
  std::string cause(site.cause.empty() ? std::string_view(error.message) : site.cause);
  // The details have the bare cause.
  constexpr std::string_view kOutbox = "error while publishing outbox message: ";
  if (error.reason == "ERR_PUBLISH_OUTBOX" && cause.starts_with(kOutbox)) cause.erase(0, kOutbox.size());
  switch (info) {
    case Info::kNull: break;
    case Info::kApp:
      if (site.app_id.empty()) break;
      return Metadata{{"appID", std::string(site.app_id)}};
    case Info::kAppAndNamespace:
      return Metadata{{"appID", std::string(site.app_id)}, {"namespace", std::string(site.app_namespace)}};
    case Info::kAppAndError: return Metadata{{"appID", std::string(site.app_id)}, {"error", cause}};
    case Info::kTopicAndError: return Metadata{{"error", cause}, {"topic", std::string(site.topic)}};
    case Info::kRequest: return site.metadata == nullptr ? Metadata() : *site.metadata;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ErrorDetails> details_of(const Error& error, const ErrorSite& site) {
  const Rule* rule = find_rule(error, site);
  if (rule == nullptr) return std::nullopt;
  ErrorDetails details;
  if (rule->extra == Extra::kFieldViolation) details.violation = {std::string(site.key), error.message};
  if (rule->extra == Extra::kTransactionHelp) {
    details.help = {"Check the list of state stores and the features they support",
                    "https://docs.dapr.io/reference/components-reference/supported-state-stores/"};
  }
  if (rule->resource == Resource::kState) details.resource = {"state", std::string(site.component), ""};
  if (rule->resource == Resource::kPubsub) {
    details.resource = {"pubsub", std::string(site.component), error.message};
  }
  details.reason = rule->detail;
  details.metadata = info_metadata(rule->info, error, site);
  return details;
}

}  // namespace tandem
