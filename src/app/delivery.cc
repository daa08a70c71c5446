#include "app/delivery.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "app/collect_sink.h"
#include "blocks/pubsub/bulk_delivery.h"
#include "net/http_head.h"
#include "net/in_process.h"
#include "telemetry/trace_context.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxVerdictBytes = 64 * 1024;
constexpr std::size_t kStatusBytes = 256;  // of each entry of a bulk
constexpr std::size_t kMaxMetadataBytes = 16 * 1024;
constexpr std::string_view kOwnName = "pubsubName";  // ours, not the publisher's

// Names that are not metadata's to set: those of the delivery itself, of the connection, and of who calls.
bool is_reserved(std::string_view name) {
  constexpr auto kReserved = std::to_array<std::string_view>(
      {"content-type", "host", "traceparent", "tracestate", "te", "trailer", "upgrade", "http2-settings",
       "proxy-authenticate", "proxy-authorization", "destination-app-id"});
  const auto starts = [name](std::string_view prefix) {
    return name.size() >= prefix.size() && net::equals_ignoring_case(name.substr(0, prefix.size()), prefix);
  };
  return net::is_framing_header(name) || starts("dapr-") || name.ends_with("-bin") ||
         std::ranges::any_of(kReserved, [&](std::string_view other) { return net::equals_ignoring_case(name, other); });
}

// A header for each, by its own name in lower case, as Dapr does it. Names and values are what a publisher chose, so
// what is no header, what is reserved, and what is too much, is left out.
template <class Delivery>
void add_metadata(const Delivery& delivery, const Logger& log, net::OwnedHeaders& headers) {
  std::size_t left = kMaxMetadataBytes;
  std::size_t left_out = 0;
  std::string_view first;
  for (const auto& [name, value] : delivery.metadata) {
    std::string header = name;
    std::ranges::transform(header, header.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    const std::size_t size = name == kOwnName ? 0 : header.size() + value.size();
    if (size <= left && net::valid_header({header, value}) && !is_reserved(header)) {
      left -= size;
      headers.push_back({std::move(header), value});
    } else if (left_out++ == 0) {
      first = name;
    }
  }
  if (left_out == 0) return;
  log.debug(
      "tandem.pubsub", "metadata of an event that makes no headers, or too many, is left out",
      {{"pubsub", delivery.pubsub}, {"topic", delivery.topic}, {"count", std::to_string(left_out)}, {"first", first}});
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
  net::OwnedRequest request = post_to(delivery.route, app_id, delivery.content_type, delivery.body->size());
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
