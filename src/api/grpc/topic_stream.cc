#include "api/grpc/topic_stream.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <utility>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "blocks/pubsub/event_fields.h"
#include "net/grpc/passed_call.h"

namespace tandem::api::grpc {
namespace {

using pubsub::Verdict;

// An error of Go's without a code of its own.
::grpc::Status plain(std::string text) { return {::grpc::StatusCode::UNKNOWN, std::move(text)}; }

Error gone() { return make_error(Code::kCancelled, "the subscriber's stream has ended"); }

Result<wire::SubscribeTopicEventsResponseAlpha1> event_message(const pubsub::Delivery& delivery) {
  auto fields = pubsub::event_fields(*delivery.body);
  if (!fields) return fail(std::move(fields.error()));
  wire::SubscribeTopicEventsResponseAlpha1 message;
  wire::TopicEventRequest& event = *message.mutable_event_message();
  event.set_id(std::move(fields->id));
  event.set_source(std::move(fields->source));
  event.set_type(std::move(fields->type));
  event.set_spec_version(std::move(fields->spec_version));
  event.set_data_content_type(std::move(fields->data_content_type));
  event.set_topic(delivery.topic);
  event.set_pubsub_name(delivery.pubsub);
  event.set_path(delivery.route);
  event.set_data(std::move(fields->data));
  const auto parsed = ::google::protobuf::util::JsonStringToMessage(fields->extensions, event.mutable_extensions());
  if (parsed.ok()) return message;
  return fail(Code::kInvalidArgument, "the extensions of the event are no object: " + std::string(parsed.message()));
}

Verdict verdict_of(const wire::SubscribeTopicEventsRequestProcessedAlpha1& answer) {
  switch (answer.status().status()) {
    case wire::TopicEventResponse::SUCCESS: return Verdict::kSuccess;
    case wire::TopicEventResponse::DROP: return Verdict::kDrop;
    default: return Verdict::kRetry;
  }
}

}  // namespace

void TopicStream::serve(const ApiOptions& api, net::grpc::IncomingCall call, std::atomic<std::size_t>& cancelled) {
  if (auto refused = check_access(call.headers(), call.method(), api.access, api.api_token)) {
    return net::grpc::refuse_call(std::move(call), *refused);
  }
  const std::shared_ptr<TopicStream> stream(new TopicStream(api, std::move(call), cancelled));
  stream->begin();
  stream->start_read();
}

void TopicStream::write_next() {
  if (finished_ || !opened_ || writing_ || outgoing_.empty()) return;
  writing_ = true;
  start_write(outgoing_.front().SerializeAsString());
}

bool TopicStream::end(::grpc::Status status) {
  std::map<std::string, Completion<Verdict>> open;
  std::unique_ptr<pubsub::PubsubService::Stream> subscription;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return false;
    open.swap(open_);
    subscription = std::move(subscription_);
    finish(std::move(status));
  }
  subscription.reset();
  for (auto& [id, done] : open) done(fail(gone()));
  return true;
}

void TopicStream::on_read(std::optional<std::string_view> message) {
  if (!message) {
    end(plain("EOF"));
    return;
  }
  wire::SubscribeTopicEventsRequestAlpha1 request;
  if (!request.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
    end({::grpc::StatusCode::INTERNAL, "grpc: failed to unmarshal the received message"});
    return;
  }
  if (!std::exchange(begun_, true)) {
    if (!request.has_initial_request()) {
      end(plain("initial request is required"));
      return;
    }
    return subscribe(request.initial_request());
  }
  if (!request.has_event_processed()) {
    end(plain("duplicate initial request received"));
    return;
  }
  processed(request.event_processed());
  start_read();
}

void TopicStream::subscribe(const wire::SubscribeTopicEventsRequestInitialAlpha1& request) {
  if (request.pubsub_name().empty() || request.topic().empty()) {
    end(plain(request.pubsub_name().empty() ? "pubsubName is required" : "topic is required"));
    return;
  }
  config::Subscription wanted;
  wanted.pubsub_name = request.pubsub_name();
  wanted.topic = request.topic();
  wanted.default_path = "/";
  wanted.dead_letter_topic = request.dead_letter_topic();
  wanted.metadata = to_metadata(request.metadata());
  const std::string pubsub = wanted.pubsub_name;
  auto subscription = api_.pubsub.subscribe_stream(api_.app_id, std::move(wanted),
                                                   std::static_pointer_cast<TopicStream>(shared_from_this()));
  if (!subscription) {
    Error error = std::move(subscription.error());
    if (error.code == Code::kNotFound) {
      error.code = Code::kInvalidArgument;
      end(to_status(error, {.app_id = api_.app_id, .component = pubsub}));
    } else if (error.code == Code::kUnavailable) {
      end({::grpc::StatusCode::UNAVAILABLE, error.message});
    } else {
      end(plain(fmt::format("failed to create subscription for {}: {}", pubsub, error.message)));
    }
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!finished_) {
      // Before the events that have come meanwhile.
      outgoing_.emplace_front().mutable_initial_response();
      opened_ = true;
      subscription_ = std::move(*subscription);
      write_next();
    }
  }
  start_read();
}

void TopicStream::processed(const wire::SubscribeTopicEventsRequestProcessedAlpha1& answer) {
  Completion<Verdict> done;
  {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(answer.id());
    if (found == open_.end()) return;
    done = std::move(found->second);
    open_.erase(found);
  }
  done(verdict_of(answer));
}

void TopicStream::deliver(pubsub::Delivery delivery, Completion<Verdict> done) {
  auto message = event_message(delivery);
  if (!message) return done(fail(std::move(message.error())));
  Completion<Verdict> replaced;
  Error refused = gone();
  {
    const std::lock_guard lock(mutex_);
    // An event that comes again while the client reads nothing is written again, too.
    if (!finished_ && (open_.size() >= kMaxOpen || outgoing_.size() >= kMaxOpen)) {
      refused.message = "the subscriber has too many events that it has not answered";
    } else if (!finished_) {
      // An event that comes again has waited too long: the broker counts from anew.
      replaced = std::exchange(open_[message->event_message().id()], std::exchange(done, nullptr));
      outgoing_.push_back(std::move(*message));
      write_next();
    }
  }
  if (replaced) replaced(fail(gone()));
  if (done) done(fail(std::move(refused)));
}

void TopicStream::on_written(bool ok) {
  if (!ok) {
    end(plain("the stream is broken"));
    return;
  }
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_.pop_front();
  write_next();
}

void TopicStream::on_gone() {
  if (end(::grpc::Status::CANCELLED)) cancelled_.fetch_add(1, std::memory_order_relaxed);
}

void TopicStream::stop() { end(plain("stream closed")); }

}  // namespace tandem::api::grpc
