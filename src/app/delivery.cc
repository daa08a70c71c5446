#include "app/delivery.h"

#include <utility>

#include "app/collect_sink.h"
#include "net/in_process.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxVerdictBytes = 64 * 1024;

}  // namespace

void deliver_to(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                pubsub::Delivery delivery, Completion<pubsub::Verdict> done) {
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
  for (const auto& [name, value] : delivery.metadata) request.headers.push_back({"metadata." + name, value});
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
