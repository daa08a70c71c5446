#include "api/grpc/unary_call.h"

#include <fmt/format.h>

#include "net/http_server.h"

namespace tandem::api::grpc {
namespace {

using net::grpc::kFrameHead;

::grpc::Status internal(std::string message) { return {::grpc::StatusCode::INTERNAL, std::move(message)}; }

}  // namespace

void UnaryCall::begin() {
  self_ = shared_from_this();
  // Most messages have come with their heads.
  server_.read_within(net::time_for_body(server_.rules().max_message_bytes),
                      [this](Result<net::grpc::ServerCall::Message> message) { take(std::move(message)); });
}

void UnaryCall::take(Result<net::grpc::ServerCall::Message> message) {
  const auto self = shared_from_this();
  if (!message) {
    if (message.error().code == Code::kCancelled) cancelled_.fetch_add(1, std::memory_order_relaxed);
    fail(net::grpc::status_of(message.error()));
    return;
  }
  if (!*message) {
    fail(internal("the call has no message"));
    return;
  }
  if (!request_message().ParseFromArray((*message)->data(), static_cast<int>((*message)->size()))) {
    fail(internal("grpc: error unmarshalling request: it is no message of its type"));
    return;
  }
  run();
  if (!answered_.load(std::memory_order_acquire)) server_.when_gone([this] { gone(); });
}

void UnaryCall::conclude(::grpc::Status status) {
  status_ = std::move(status);
  if (worker().running_here()) return send();
  worker().post([self = shared_from_this()] { self->send(); });
}

void UnaryCall::send() {
  const auto self = std::exchange(self_, nullptr);
  if (!server_.is_open()) return;
  if (!baggage_.empty()) metadata_.add_initial("baggage", std::move(baggage_));
  if (!status_.ok()) return server_.finish(status_, metadata_);
  const auto& response = response_message();
  const std::size_t size = response.ByteSizeLong();
  if (const std::size_t limit = server_.rules().max_message_bytes; size > limit) {
    return server_.finish({::grpc::StatusCode::RESOURCE_EXHAUSTED,
                           fmt::format("grpc: trying to send message larger than max ({} vs. {})", size, limit)});
  }
  std::string frame(kFrameHead + size, '\0');
  net::grpc::write_frame_head(frame.data(), size);
  response.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(frame.data() + kFrameHead));
  server_.finish(status_, metadata_, frame);
}

void UnaryCall::gone() {
  const auto self = std::exchange(self_, nullptr);
  if (!claim()) return;
  cancelled_.fetch_add(1, std::memory_order_relaxed);
  std::function<void()> give_up;
  {
    const std::lock_guard lock(mutex_);
    if (onward_) onward_->TryCancel();
    give_up = std::move(give_up_);
  }
  if (give_up) give_up();
}

void UnaryCall::know_server() {
  if (!counter_) counter_ = server_.rules().onward;
}

void UnaryCall::wait_until_given_up(std::function<void()> give_up) {
  {
    const std::lock_guard lock(mutex_);
    know_server();
    if (!answered_.load(std::memory_order_acquire)) {
      give_up_ = std::move(give_up);
      return;
    }
  }
  give_up();
}

void UnaryCall::wait_for(std::shared_ptr<::grpc::ClientContext> onward) {
  const std::lock_guard lock(mutex_);
  know_server();
  onward_ = std::move(onward);
  if (answered_.load(std::memory_order_acquire)) onward_->TryCancel();
}

}  // namespace tandem::api::grpc
