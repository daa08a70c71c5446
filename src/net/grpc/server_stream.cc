#include "net/grpc/server_stream.h"

#include <fmt/format.h>

#include <utility>

namespace tandem::net::grpc {

void ServerStream::begin() {
  self_ = shared_from_this();
  call_.when_gone([this] { lose_client(); });
}

void ServerStream::start_read() {
  worker().post([self = shared_from_this()] { self->read(); });
}

void ServerStream::start_write(std::string message) {
  worker().post([self = shared_from_this(), message = std::move(message)] { self->write(message); });
}

void ServerStream::send_head(MetadataPairs initial) {
  worker().post([self = shared_from_this(), initial = std::move(initial)] {
    if (self->call_.is_open()) self->call_.send_head(initial);
  });
}

void ServerStream::finish(::grpc::Status status, AnswerMetadata metadata) {
  worker().post([self = shared_from_this(), status = std::move(status), metadata = std::move(metadata)] {
    self->end(status, metadata);
  });
}

void ServerStream::read() {
  if (!call_.is_open()) return on_read(std::nullopt);
  reading_ = true;
  call_.read([this](Result<ServerCall::Message> message) {
    if (message) {
      reading_ = false;
      return on_read(*message);
    }
    // One who has gone is told of in a moment.
    if (message.error().code == Code::kCancelled) return;
    call_.finish(status_of(message.error()));
    lose_client();
  });
}

void ServerStream::write(const std::string& message) {
  if (!call_.is_open()) return on_written(false);
  const std::size_t limit = call_.rules().max_message_bytes;
  writing_ = true;
  if (message.size() > limit) {
    call_.finish({::grpc::StatusCode::RESOURCE_EXHAUSTED,
                  fmt::format("grpc: trying to send message larger than max ({} vs. {})", message.size(), limit)});
    return lose_client();
  }
  call_.write(message, [this](const Result<void>& result) {
    if (result) {
      writing_ = false;
      return on_written(true);
    }
    if (!call_.is_open() || result.error().code == Code::kCancelled) return;  // as above
    call_.finish(status_of(result.error()));
    lose_client();
  });
}

void ServerStream::end(const ::grpc::Status& status, const AnswerMetadata& metadata) {
  if (std::exchange(ended_, true)) return;
  if (call_.is_open()) call_.finish(status, metadata);
  tell_the_last();
  self_.reset();
}

void ServerStream::lose_client() {
  const auto self = shared_from_this();
  on_gone();
  tell_the_last();
  // Nothing that is posted will run any more.
  if (worker().stopped()) end(::grpc::Status::CANCELLED, {});
}

void ServerStream::tell_the_last() {
  if (std::exchange(reading_, false)) on_read(std::nullopt);
  if (std::exchange(writing_, false)) on_written(false);
}

}  // namespace tandem::net::grpc
