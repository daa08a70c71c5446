#include "app/delivery.h"

#include <string_view>
#include <utility>

#include "app/collect_sink.h"
#include "app/metadata_headers.h"
#include "blocks/pubsub/bulk_delivery.h"
#include "net/in_process.h"
#include "telemetry/trace_context.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxVerdictBytes = 64 * 1024;
constexpr std::size_t kStatusBytes = 256;            // of each entry of a bulk
constexpr std::string_view kOwnName = "pubsubName";  // ours, not the publisher's

template <class Delivery>
void add_metadata(const Delivery& delivery, const Logger& log, net::OwnedHeaders& headers) {
  const LeftOutMetadata left_out = add_metadata_headers(delivery.metadata, kOwnName, headers);
  if (left_out.count == 0) return;
  log.debug("tandem.pubsub", "metadata of an event that makes no headers, or too many, is left out",
            {{"pubsub", delivery.pubsub},
             {"topic", delivery.topic},
             {"count", std::to_string(left_out.count)},
             {"first", left_out.first}});
}

net::OwnedRequest post_to(const std::string& route, const std::string& app_id, std::string content_type,
                          std::size_t size) {
  net::OwnedRequest request;
  request.method = "POST";
  request.authority = app_id;
  request.target = route.starts_with('/') ? route : "/" + route;
  request.headers.push_back({"content-type", std::move(content_type)});
  request.headers.push_back({"content-length", std::to_string(size)});
  return request;
}

}  // namespace

void deliver_to(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout, const Logger& log,
                pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  // It is in the event, where a publisher may write anything.
  if (!telemetry::parse_traceparent(delivery.trace.traceparent)) delivery.trace = {};
  delivery.trace.tracestate = telemetry::valid_tracestate(delivery.trace.tracestate);
  net::OwnedRequest request = post_to(delivery.route, app_id, std::move(delivery.content_type), delivery.body->size());
  request.headers.reserve(request.headers.size() + 2 + delivery.metadata.size());
  if (!delivery.trace.traceparent.empty()) {
    request.headers.push_back({"traceparent", delivery.trace.traceparent});
    if (!delivery.trace.tracestate.empty()) request.headers.push_back({"tracestate", delivery.trace.tracestate});
  }
  add_metadata(delivery, log, request.headers);
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + timeout;
  context.trace = std::move(delivery.trace);
  auto sink =
      std::make_unique<CollectSink>(kMaxVerdictBytes, [done = std::move(done)](Result<CollectedAnswer> answer) mutable {
        if (!answer) return done(fail(std::move(answer.error())));
        const pubsub::ResponseVerdict verdict = pubsub::verdict_of_response(answer->status, answer->body);
        done(verdict.verdict);
      });
  handler.handle(
      net::make_in_process_exchange(std::move(request), std::move(delivery.body), std::move(context), std::move(sink)));
}

void deliver_bulk_to(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                     const Logger& log, pubsub::BulkDelivery delivery, Completion<std::vector<pubsub::Verdict>> done) {
  std::string body = pubsub::bulk_json(delivery);
  net::OwnedRequest request = post_to(delivery.route, app_id, "application/json", body.size());
  add_metadata(delivery, log, request.headers);
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + timeout;
  const std::size_t most = kMaxVerdictBytes + delivery.items.size() * kStatusBytes;
  auto sink = std::make_unique<CollectSink>(
      most, [items = std::move(delivery.items), done = std::move(done)](Result<CollectedAnswer> answer) mutable {
        if (!answer) return done(fail(std::move(answer.error())));
        done(pubsub::verdicts_of_bulk_response(answer->status, answer->body, items));
      });
  handler.handle(
      net::make_in_process_exchange(std::move(request), std::move(body), std::move(context), std::move(sink)));
}

}  // namespace tandem::app
