#include "api/http/pubsub_routes.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "api/http/body.h"
#include "api/http/bulk_publish_request.h"
#include "api/http/target.h"
#include "base/json.h"

namespace tandem::api::http {
namespace {

state::Caller caller_of(const ApiOptions& api, net::Exchange& exchange) { return {exchange.context(), api.worker}; }

// Everything that an answer may have to name.
struct Publication {
  std::string pubsub;
  std::string topic;
  Metadata metadata;

  ErrorSite site(const ApiOptions& api, std::string_view cause = {}) const {
    return {.app_id = api.app_id, .component = pubsub, .topic = topic, .cause = cause, .metadata = &metadata};
  }
};

// Dapr looks the pub/sub up before it reads the request. So what is wrong with a request is told only if the service
// would publish: a bulk without entries asks that, and nothing of the broker. `cause` is the bare one, for the details.
void reply_unless_refused(const ApiOptions& api, SharedExchange exchange, Publication publication, Error error,
                          std::string cause) {
  const SharedExchange held = exchange;
  const Publication asked = publication;
  api.pubsub.publish_bulk(
      caller_of(api, *held), asked.pubsub, asked.topic, {}, asked.metadata,
      [&api, exchange = std::move(exchange), publication = std::move(publication), error = std::move(error),
       cause = std::move(cause)](const Result<std::vector<pubsub::BulkPublishFailure>>& result) {
        if (result) {
          reply_error(*exchange, error, publication.site(api, cause));
        } else {
          reply_error(*exchange, result.error(), publication.site(api));
        }
      });
}

// As in daprd: where calls are not traced, an event has no trace, not even that of a caller who brings one.
void drop_untraced(const ApiOptions& api, net::Exchange& exchange) {
  if (!api.sampler.enabled()) exchange.context().trace = {};
}

void publish_body(const ApiOptions& api, SharedExchange exchange, Publication publication,
                  const Result<std::string_view>& body) {
  drop_untraced(api, *exchange);
  if (!body) {
    const std::string& cause = body.error().message;
    Error error{Code::kInternal, "ERR_PUBSUB_PUBLISH_MESSAGE",
                fmt::format("error when publishing to topic {} in pubsub {}: {}", publication.topic, publication.pubsub,
                            cause)};
    reply_unless_refused(api, std::move(exchange), std::move(publication), std::move(error), cause);
    return;
  }
  const auto content_type = net::find_header(exchange->head().headers, "content-type");
  pubsub::PublishCall call{.pubsub = publication.pubsub,
                           .topic = publication.topic,
                           .data = *body,
                           .content_type = std::string(content_type.value_or("")),
                           .metadata = publication.metadata};
  const SharedExchange held = exchange;
  api.pubsub.publish(
      caller_of(api, *held), std::move(call),
      [&api, exchange = std::move(exchange), publication = std::move(publication)](const Result<void>& result) {
        if (result) {
          reply_empty(*exchange);
        } else {
          reply_error(*exchange, result.error(), publication.site(api));
        }
      });
}

Error events_error(const Error& cause, const Publication& publication) {
  std::string_view what;
  switch (cause.code) {
    case Code::kInvalidArgument: what = "error when marshalling cloud event envelope for topic {} pubsub {}: {}"; break;
    case Code::kAlreadyExists: what = "error marshaling events to bytes for topic {} pubsub {}. error: {}"; break;
    default: what = "error when unmarshaling the request for topic {} pubsub {}: {}";
  }
  return {cause.code, cause.reason,
          fmt::format(fmt::runtime(what), publication.topic, publication.pubsub, cause.message)};
}

// {"failedEntries":[{"entryId","error"}],"errorCode":…}, with 500 even when some entries were taken, as Dapr answers.
void answer_bulk(net::Exchange& exchange, const std::vector<pubsub::BulkPublishFailure>& failures) {
  if (failures.empty()) {
    reply_empty(exchange);
    return;
  }
  std::string body = "{\"failedEntries\":[";
  for (const pubsub::BulkPublishFailure& failure : failures) {
    if (body.back() != '[') body += ',';
    body += "{\"entryId\":";
    append_json_string(body, failure.entry_id);
    body += ",\"error\":";
    append_json_string(body, failure.error.message);
    body += '}';
  }
  body += "],\"errorCode\":\"ERR_PUBSUB_PUBLISH_MESSAGE\"}";
  reply_json(exchange, 500, body);
}

void publish_entries(const ApiOptions& api, SharedExchange exchange, Publication publication,
                     const Result<std::string_view>& body) {
  drop_untraced(api, *exchange);
  auto request = body ? read_bulk_publish(*body) : fail(Code::kDataLoss, "ERR_PUBSUB_EVENTS_SER", body.error().message);
  if (!request) {
    Error error = events_error(request.error(), publication);
    reply_unless_refused(api, std::move(exchange), std::move(publication), std::move(error),
                         std::move(request.error().message));
    return;
  }
  const SharedExchange held = exchange;
  const std::string name = publication.pubsub;
  const std::string topic = publication.topic;
  const Metadata metadata = publication.metadata;
  api.pubsub.publish_bulk(caller_of(api, *held), name, topic, std::move(request->entries), metadata,
                          [&api, exchange = std::move(exchange), publication = std::move(publication)](
                              const Result<std::vector<pubsub::BulkPublishFailure>>& failures) {
                            if (failures) {
                              answer_bulk(*exchange, *failures);
                            } else {
                              reply_error(*exchange, failures.error(), publication.site(api));
                            }
                          });
}

}  // namespace

void publish(const ApiOptions& api, SharedExchange exchange, std::string pubsub, std::string topic,
             std::string_view query) {
  Publication publication{std::move(pubsub), std::move(topic), query_metadata(query)};
  collect_body(
      std::move(exchange), api.max_body_bytes,
      [&api, publication = std::move(publication)](SharedExchange owner, Result<std::string_view> body) mutable {
        publish_body(api, std::move(owner), std::move(publication), body);
      });
}

void publish_bulk(const ApiOptions& api, SharedExchange exchange, std::string pubsub, std::string topic,
                  std::string_view query) {
  Publication publication{std::move(pubsub), std::move(topic), query_metadata(query)};
  collect_body(
      std::move(exchange), api.max_body_bytes,
      [&api, publication = std::move(publication)](SharedExchange owner, Result<std::string_view> body) mutable {
        publish_entries(api, std::move(owner), std::move(publication), body);
      });
}

}  // namespace tandem::api::http
