#include "app/delivery.h"

#include <string_view>
#include <utility>

#include "app/collect_sink.h"
#include "app/metadata_headers.h"
#include "net/in_process.h"
#include "telemetry/trace_context.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxVerdictBytes = 64 * 1024;
constexpr std::string_view kOwnName = "pubsubName";  // ours, not the publisher's

void add_metadata(const pubsub::Delivery& delivery, const Logger& log, net::OwnedHeaders& headers) {
  const LeftOutMetadata left_out = add_metadata_headers(delivery.metadata, kOwnName, headers);
  if (left_out.count == 0) return;
  log.debug("tandem.pubsub", "metadata of an event that makes no headers, or too many, is left out",
            {{"pubsub", delivery.pubsub},
             {"topic", delivery.topic},
             {"count", std::to_string(left_out.count)},
             {"first", left_out.first}});
}

}  // namespace

void deliver_to(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout, const Logger& log,
                pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
  // It is in the event, where a publisher may write anything.
  if (!telemetry::parse_traceparent(delivery.trace.traceparent)) delivery.trace = {};
  delivery.trace.tracestate = telemetry::valid_tracestate(delivery.trace.tracestate);
  net::OwnedRequest request;
  request.method = "POST";
  request.authority = app_id;
  request.target = delivery.route.starts_with('/') ? delivery.route : "/" + delivery.route;
  request.headers.push_back({"content-type", delivery.content_type});
  request.headers.push_back({"content-length", std::to_string(delivery.body->size())});
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
  handler.handle(net::make_in_process_exchange(std::move(request), std::string(*delivery.body), std::move(context),
                                               std::move(sink)));
}

}  // namespace tandem::app
