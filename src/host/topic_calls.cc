#include "host/topic_calls.h"

#include <span>
#include <string>
#include <utility>

#include "blocks/pubsub/event_fields.h"
#include "host/guest_reply.h"
#include "tandem_wit.h"
#include "telemetry/trace_context.h"

namespace tandem::host {
namespace {

using pubsub::Verdict;

// Of what the guest asks for: there is one way into it.
constexpr std::string_view kRoute = "/";

int number_of(TopicExport to) {
  switch (to) {
    case TopicExport::kWasmcloud: return TDM_TOPIC_WASMCLOUD;
    case TopicExport::kWasi: return TDM_TOPIC_WASI;
    default: return TDM_TOPIC_DAPR;
  }
}

std::string_view name_of(TopicExport to) {
  switch (to) {
    case TopicExport::kWasmcloud: return "wasmcloud:messaging/handler.handle-message";
    case TopicExport::kWasi: return "wasi:messaging/incoming-handler.handle";
    default: return "topic-handler.handle";
  }
}

Result<Verdict> verdict_of(std::int32_t verdict, tdm_str why) {
  if (why.len > 0) return fail(Code::kUnavailable, "the app has not taken the message: " + std::string(view(why)));
  switch (verdict) {
    case TDM_VERDICT_SUCCESS: return Verdict::kSuccess;
    case TDM_VERDICT_DROP: return Verdict::kDrop;
    default: return Verdict::kRetry;
  }
}

class TopicCall final : public GuestCall {
 public:
  TopicCall(TopicExport to, pubsub::Delivery delivery, pubsub::TypedEvent event, SteadyTime deadline,
            Completion<Verdict> done)
      : to_(to), delivery_(std::move(delivery)), event_(std::move(event)), noted_(std::move(done)) {
    context_.deadline = deadline;
    // It is in the event, where a publisher may write anything.
    if (telemetry::parse_traceparent(delivery_.trace.traceparent)) {
      context_.trace.traceparent = std::move(delivery_.trace.traceparent);
      context_.trace.tracestate = telemetry::valid_tracestate(delivery_.trace.tracestate);
    }
  }

  std::string_view name() const override { return name_of(to_); }
  const CallContext& context() const override { return context_; }

  void begin(engine::Instance& instance) override {
    for (const auto& [name, value] : event_.attributes) attributes_.push_back({span(name), span(value)});
    metadata_ = spans_of(delivery_.metadata);
    raw_ = {.pubsub = span(delivery_.pubsub),
            .topic = span(delivery_.topic),
            .route = span(delivery_.route),
            .id = span(event_.id),
            .source = span(event_.source),
            .type = span(event_.type),
            .spec_version = span(event_.spec_version),
            .data_content_type = span(event_.data_content_type),
            .data = span(event_.data),
            .attributes = attributes_.data(),
            .attributes_count = attributes_.size(),
            .metadata = metadata_.data(),
            .metadata_count = metadata_.size()};
    const auto answer = [](void* call, std::int32_t verdict, tdm_str why) {
      static_cast<TopicCall*>(call)->noted_.note(verdict_of(verdict, why));
    };
    tdm_topic_handle(instance.raw(), number_of(to_), &raw_, answer, this);
  }

  void end(Status outcome) override { noted_.end(std::move(outcome)); }

 private:
  const TopicExport to_;
  pubsub::Delivery delivery_;
  const pubsub::TypedEvent event_;
  CallContext context_;
  std::vector<tdm_header> attributes_;
  std::vector<tdm_header> metadata_;
  tdm_topic_event raw_{};
  NotedAnswer<Verdict> noted_;
};

class SubscriptionsCall final : public GuestCall {
 public:
  using List = std::vector<config::Subscription>;

  SubscriptionsCall(SteadyTime deadline, Completion<List> done) : noted_(std::move(done)) {
    context_.deadline = deadline;
  }

  std::string_view name() const override { return "topic-handler.subscriptions"; }
  const CallContext& context() const override { return context_; }

  void begin(engine::Instance& instance) override {
    const auto answer = [](void* call, const tdm_topic_subscription* all, std::size_t count) {
      List list;
      for (const tdm_topic_subscription& one : std::span(all, count)) {
        config::Subscription subscription;
        subscription.pubsub_name = view(one.pubsub);
        subscription.topic = view(one.topic);
        subscription.default_path = kRoute;
        subscription.dead_letter_topic = optional_of(one.dead_letter_topic).value_or("");
        subscription.metadata = metadata_of(one.metadata, one.metadata_count);
        list.push_back(std::move(subscription));
      }
      static_cast<SubscriptionsCall*>(call)->noted_.note(std::move(list));
    };
    tdm_topic_subscriptions(instance.raw(), answer, this);
  }

  void end(Status outcome) override { noted_.end(std::move(outcome)); }

 private:
  CallContext context_;
  NotedAnswer<List> noted_;
};

}  // namespace

Result<std::unique_ptr<GuestCall>> make_topic_call(TopicExport to, pubsub::Delivery delivery, SteadyTime deadline,
                                                   Completion<Verdict>& done) {
  auto event = pubsub::typed_event(*delivery.body);
  if (!event) return fail(std::move(event.error()));
  return std::make_unique<TopicCall>(to, std::move(delivery), std::move(*event), deadline, std::move(done));
}

std::unique_ptr<GuestCall> make_subscriptions_call(SteadyTime deadline,
                                                   Completion<std::vector<config::Subscription>> done) {
  return std::make_unique<SubscriptionsCall>(deadline, std::move(done));
}

}  // namespace tandem::host
