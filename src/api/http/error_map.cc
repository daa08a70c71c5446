#include "api/http/error_map.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/json.h"
#include "blocks/rpc_status.h"

namespace tandem::api::http {
namespace {

// kOk as code matches any.
struct Rule {
  std::string_view reason;
  Code code;
  int status;
};

constexpr std::array kRules = {
    Rule{"ERR_STATE_STORE_NOT_CONFIGURED", Code::kOk, 500},
    Rule{"ERR_STATE_STORE_NOT_FOUND", Code::kOk, 400},
    Rule{"ERR_STATE_STORE_NOT_SUPPORTED", Code::kOk, 500},
    Rule{"ERR_STATE_SAVE", Code::kAborted, 409},
    Rule{"ERR_STATE_SAVE", Code::kInvalidArgument, 400},
    Rule{"ERR_STATE_SAVE", Code::kOk, 500},
    Rule{"ERR_STATE_DELETE", Code::kAborted, 409},
    Rule{"ERR_STATE_DELETE", Code::kInvalidArgument, 400},
    Rule{"ERR_STATE_DELETE", Code::kOk, 500},
    Rule{"ERR_STATE_GET", Code::kOk, 500},
    Rule{"ERR_STATE_BULK_GET", Code::kOk, 500},
    // Dapr answers 500 for every failed transaction, ETag mismatches included.
    Rule{"ERR_STATE_TRANSACTION", Code::kOk, 500},
    Rule{"ERR_PUBLISH_OUTBOX", Code::kOk, 500},
    Rule{"ERR_NOT_SUPPORTED_STATE_OPERATION", Code::kOk, 400},
    Rule{"ERR_PUBSUB_NOT_CONFIGURED", Code::kOk, 400},
    Rule{"ERR_PUBSUB_NOT_FOUND", Code::kOk, 404},
    Rule{"ERR_PUBSUB_EMPTY", Code::kOk, 404},
    Rule{"ERR_TOPIC_NAME_EMPTY", Code::kOk, 404},
    Rule{"ERR_PUBSUB_FORBIDDEN", Code::kOk, 403},
    Rule{"ERR_PUBSUB_PUBLISH_MESSAGE", Code::kOk, 500},
    Rule{"ERR_PUBSUB_REQUEST_METADATA", Code::kOk, 400},
    Rule{"ERR_PUBSUB_CLOUD_EVENTS_SER", Code::kOk, 500},
    Rule{"ERR_PUBSUB_EVENTS_SER", Code::kOk, 400},
    Rule{"ERR_DIRECT_INVOKE", Code::kPermissionDenied, 403},
    Rule{"ERR_DIRECT_INVOKE", Code::kOk, 500},
    Rule{"ERR_HEALTH_NOT_READY", Code::kOk, 500},
    Rule{"ERR_OUTBOUND_HEALTH_NOT_READY", Code::kOk, 500},
    Rule{"ERR_HEALTH_APPID_NOT_MATCH", Code::kOk, 500},
    Rule{"ERR_MALFORMED_REQUEST", Code::kOk, 400},
    Rule{"ERR_BODY_READ", Code::kOk, 400},
    Rule{"ERR_BAD_REQUEST", Code::kOk, 400},
    Rule{"ERR_API_UNIMPLEMENTED", Code::kOk, 501},
    Rule{"ERR_SECRET_STORES_NOT_CONFIGURED", Code::kOk, 500},
    Rule{"ERR_SECRET_STORE_NOT_FOUND", Code::kOk, 401},
    Rule{"ERR_PERMISSION_DENIED", Code::kOk, 403},
    Rule{"ERR_SECRET_GET", Code::kOk, 500},
    Rule{"ERR_CONFIGURATION_STORE_NOT_CONFIGURED", Code::kOk, 500},
    Rule{"ERR_CONFIGURATION_STORE_NOT_FOUND", Code::kOk, 400},
    Rule{"ERR_CONFIGURATION_GET", Code::kOk, 500},
    Rule{"ERR_CONFIGURATION_SUBSCRIBE", Code::kOk, 500},
    Rule{"ERR_APP_CHANNEL_NIL", Code::kOk, 500},
    Rule{"ERR_LOCK_STORE_NOT_CONFIGURED", Code::kOk, 500},
    Rule{"ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", Code::kOk, 500},
    Rule{"ERR_INVOKE_OUTPUT_BINDING", Code::kOk, 500},
    Rule{"ERR_ACTOR_NO_PLACEMENT", Code::kOk, 400},
    Rule{"ERR_CONVERSATION_NOT_FOUND", Code::kOk, 400},
    Rule{"DAPR_SCHEDULER_SCHEDULE_JOB", Code::kOk, 500},
    Rule{"DAPR_SCHEDULER_GET_JOB", Code::kOk, 500},
    Rule{"DAPR_SCHEDULER_DELETE_JOB", Code::kOk, 500},
};

constexpr Rule kNoAppId{"ERR_DIRECT_INVOKE", Code::kOk, 404};

const Rule* find_rule(const Error& error, const ErrorSite& site) {
  if (error.reason == kNoAppId.reason && error.code == Code::kNotFound && site.component.empty()) return &kNoAppId;
  for (const Rule& rule : kRules) {
    if (rule.reason == error.reason && (rule.code == Code::kOk || rule.code == error.code)) return &rule;
  }
  return nullptr;
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

void open_detail(std::string& out, std::string_view type) {
  if (out.back() != '[') out += ',';
  out += '{';
  append_member(out, "@type", fmt::format("type.googleapis.com/google.rpc.{}", type));
}

void append_details(std::string& out, const ErrorDetails& details) {
  out += ",\"details\":[";
  if (details.violation) {
    open_detail(out, "BadRequest");
    out += ",\"field_violations\":[{";
    if (!details.violation->field.empty()) append_member(out, "field", details.violation->field);
    append_member(out, "description", details.violation->description);
    out += "}]}";
  }
  if (details.help) {
    open_detail(out, "Help");
    out += ",\"links\":[{";
    append_member(out, "description", details.help->description);
    append_member(out, "url", details.help->url);
    out += "}]}";
  }
  if (details.resource) {
    open_detail(out, "ResourceInfo");
    append_member(out, "description", details.resource->description);
    append_member(out, "owner", "");
    append_member(out, "resource_name", details.resource->name);
    append_member(out, "resource_type", details.resource->type);
    out += '}';
  }
  open_detail(out, "ErrorInfo");
  append_member(out, "domain", "dapr.io");
  out += ",\"metadata\":";
  if (details.metadata) {
    append_json_map(out, *details.metadata);
  } else {
    out += "null";
  }
  append_member(out, "reason", details.reason);
  out += "}]";
}

// A key with the separator in it: over HTTP daprd shows the error as Go prints it, code and all.
bool is_key_of_two_parts(const Error& error) {
  return error.code == Code::kInvalidArgument && error.message.starts_with("input key/keyPrefix ");
}

}  // namespace

WireError to_wire(const Error& error, const ErrorSite& site) {
  const Rule* rule = find_rule(error, site);
  WireError wire;
  wire.status = rule != nullptr ? rule->status : http_status_of(error.code);
  wire.body = "{";
  append_member(wire.body, "errorCode", error.reason.empty() ? std::string_view("ERROR") : error.reason);
  const Error shown = is_key_of_two_parts(error)
                          ? Error{error.code, error.reason, "api error: code = InvalidArgument desc = " + error.message}
                          : error;
  append_member(wire.body, "message", shown.message);
  if (const auto details = details_of(shown, site)) append_details(wire.body, *details);
  wire.body += '}';
  return wire;
}

Error malformed_request(std::string message) {
  return Error{Code::kInvalidArgument, "ERR_MALFORMED_REQUEST", std::move(message)};
}

Error malformed_body(std::string_view mistake) {
  return malformed_request(fmt::format("failed deserializing HTTP body: {}", mistake));
}

Error no_app_id() {
  return Error{Code::kNotFound, "ERR_DIRECT_INVOKE",
               "failed getting app id either from the URL path or the header dapr-app-id"};
}

Error invoke_failed(Code code, std::string_view app_id, std::string_view cause) {
  return Error{code, "ERR_DIRECT_INVOKE", fmt::format("failed to invoke, id: {}, err: {}", app_id, cause)};
}

}  // namespace tandem::api::http
