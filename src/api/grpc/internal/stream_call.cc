#include "api/grpc/internal/stream_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "api/grpc/call_metadata.h"

namespace tandem::api::grpc {
namespace {

::grpc::Status parsing_failed(std::string_view why) {
  return {::grpc::StatusCode::INVALID_ARGUMENT, fmt::format("parsing InternalInvokeRequest error: {}", why)};
}

Error gone() { return make_error(Code::kCancelled, "the calling sidecar has gone"); }

}  // namespace

class StreamCall::Body final : public net::BodySource {
 public:
  explicit Body(std::shared_ptr<StreamCall> call) : call_(std::move(call)) {}
  void read(Completion<std::string_view> done) override { call_->read(std::move(done)); }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }

 private:
  const std::shared_ptr<StreamCall> call_;
};

class StreamCall::Sink final : public net::ResponseSink {
 public:
  Sink(std::shared_ptr<StreamCall> call, bool bodyless) : call_(std::move(call)), bodyless_(bodyless) {}

  bool on_whole(int status, net::Headers headers, std::string_view body) override {
    peer::InternalInvokeResponse head;
    const bool carries = !bodyless_ && status != 204 && status != 304;
    fill_response(status, headers, carries ? std::optional(body.size()) : std::nullopt, head);
    call_->answer(std::move(head), body, nullptr);
    call_->end(::grpc::Status::OK);
    return true;
  }
  void on_head(int status, net::Headers headers) override {
    peer::InternalInvokeResponse head;
    fill_response(status, headers, std::nullopt, head);
    call_->answer(std::move(head), {}, nullptr);
  }
  void on_body(std::string_view piece, Completion<void> resume) override { call_->write(piece, std::move(resume)); }
  void on_end(net::Headers) override { call_->end(::grpc::Status::OK); }
  void on_error(Error error) override {
    call_->end({::grpc::StatusCode::INTERNAL, fmt::format("error invoking app channel: {}", error.message)});
  }

 private:
  const std::shared_ptr<StreamCall> call_;
  const bool bodyless_;
};

StreamCall::StreamCall(net::grpc::IncomingCall call, LocalApp app, std::atomic<std::size_t>& cancelled)
    : ServerStream(std::move(call)),
      context_(context_of(this->call().headers(), this->call().deadline(), {})),
      app_(std::move(app)),
      cancelled_(cancelled) {}

void StreamCall::serve(net::grpc::IncomingCall incoming, LocalApp app, std::atomic<std::size_t>& cancelled) {
  const std::shared_ptr<StreamCall> call(new StreamCall(std::move(incoming), std::move(app), cancelled));
  call->begin();
  call->start_read();
}

bool StreamCall::begin_read() {
  const std::scoped_lock lock(mutex_);
  if (!finished_) start_read();
  return !finished_;
}

bool StreamCall::begin_write() {
  const std::scoped_lock lock(mutex_);
  if (!finished_) start_write(response_.SerializeAsString());
  return !finished_;
}

void StreamCall::conclude(::grpc::Status status) {
  const std::scoped_lock lock(mutex_);
  if (!std::exchange(finished_, true)) finish(std::move(status));
}

void StreamCall::on_read(std::optional<std::string_view> message) {
  const bool ok = message.has_value();
  if (ok && !request_.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
    conclude({::grpc::StatusCode::INTERNAL, "grpc: failed to unmarshal the received message"});
    gone_.store(true);
    app_.worker.post([self = shared()] { self->give_up(); });
    return;
  }
  if (without_body_) return look_ahead(ok);
  if (!std::exchange(handed_over_, true)) return hand_over(ok);
  app_.worker.post([self = shared(), ok] { self->arrived(ok); });
}

void StreamCall::on_written(bool ok) {
  app_.worker.post([self = shared(), ok] { self->written(ok); });
}

void StreamCall::on_gone() {
  gone_.store(true);
  {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(finished_, true)) {
      cancelled_.fetch_add(1, std::memory_order_relaxed);
      finish(::grpc::Status::CANCELLED);
    }
  }
  app_.worker.post([self = shared()] { self->give_up(); });
}

void StreamCall::hand_over(bool ok) {
  if (!ok) return conclude(parsing_failed("the stream has no message"));
  const peer::InternalInvokeRequest& request = request_.request();
  if (request.metadata().empty() || !request.has_message()) {
    return conclude(parsing_failed("request does not contain the required fields in the leading chunk"));
  }
  auto http = request_of(request, app_.authority, app_.method_in);
  if (!http) {
    return conclude({static_cast<::grpc::StatusCode>(static_cast<int>(http.error().code)), http.error().message});
  }
  context_.app_id = caller_of(request);
  length_left_ = announced_length(request);
  has_payload_ = request_.has_payload();
  // Few servers expect a body with these, so the app is not told of one before some of it is there.
  constexpr std::array<std::string_view, 5> kBodiless = {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"};
  const bool bodiless = std::ranges::find(kBodiless, http->method) != kBodiless.end();
  if (bodiless && !length_left_ && request_.payload().data().empty()) {
    without_body_ = std::move(*http);
    if (has_payload_) ++expected_seq_;
    begin_read();
    return;
  }
  hand_over(std::move(*http));
}

void StreamCall::look_ahead(bool ok) {
  net::OwnedRequest http = std::move(*without_body_);
  without_body_.reset();
  if (!ok && (gone_.load())) return;
  if (ok && (!request_.request().metadata().empty() || request_.request().has_message())) {
    return conclude({::grpc::StatusCode::INVALID_ARGUMENT, "request metadata found in non-leading chunk"});
  }
  has_payload_ = ok && request_.has_payload();
  body_ended_ = !ok;
  hand_over(std::move(http));
}

void StreamCall::hand_over(net::OwnedRequest http) {
  // A body that came whole need not be waited for.
  net::RequestBody body;
  if (length_left_ && *length_left_ == request_.payload().data().size()) {
    body = request_.payload().data();
    body_ended_ = true;
  } else if (body_ended_) {
    body = std::string();
  } else {
    body = std::make_unique<Body>(shared());
  }
  auto sink = std::make_unique<Sink>(shared(), http.method == "HEAD");
  app_.worker.post([&handler = app_.handler, http = std::move(http), body = std::move(body), context = context_,
                    sink = std::move(sink)]() mutable {
    handler.handle(
        net::make_in_process_exchange(std::move(http), std::move(body), std::move(context), std::move(sink)));
  });
}

void StreamCall::read(Completion<std::string_view> done) {
  if (read_done_) return done(fail(Code::kFailedPrecondition, "a read of the request body is already under way"));
  if (body_ended_) return done(std::string_view());
  if (std::exchange(has_payload_, false)) {
    const Result<std::string_view> payload = take_payload();
    if (!payload || !payload->empty()) return done(payload);
  }
  read_done_ = std::move(done);
  if (!begin_read()) give_up();
}

void StreamCall::arrived(bool ok) {
  auto done = std::exchange(read_done_, nullptr);
  if (!done) return;
  if (!ok) {
    if (gone_.load()) return done(fail(gone()));
    if (length_left_.value_or(0) > 0) {
      return done(fail(Code::kInvalidArgument, "the request body is shorter than its Content-Length"));
    }
    body_ended_ = true;
    return done(std::string_view());
  }
  if (!request_.request().metadata().empty() || request_.request().has_message()) {
    return done(fail(Code::kInvalidArgument, "request metadata found in non-leading chunk"));
  }
  const Result<std::string_view> payload = request_.has_payload() ? take_payload() : std::string_view();
  if (!payload || !payload->empty()) return done(payload);
  read_done_ = std::move(done);
  if (!begin_read()) give_up();
}

Result<std::string_view> StreamCall::take_payload() {
  const auto& payload = request_.payload();
  if (payload.seq() != expected_seq_) {
    return fail(Code::kInvalidArgument,
                fmt::format("invalid sequence number received: {} (expected: {})", payload.seq(), expected_seq_));
  }
  ++expected_seq_;
  piece_.swap(*request_.mutable_payload()->mutable_data());
  if (length_left_) {
    if (piece_.size() > *length_left_) {
      return fail(Code::kInvalidArgument, "the request body is longer than its Content-Length");
    }
    *length_left_ -= piece_.size();
  }
  return std::string_view(piece_);
}

void StreamCall::answer(peer::InternalInvokeResponse head, std::string_view first, Completion<void> resume) {
  *response_.mutable_response() = std::move(head);
  head_waits_ = true;
  unsent_ = first;
  resume_ = std::move(resume);
  pump();
}

void StreamCall::write(std::string_view piece, Completion<void> resume) {
  if (sent_ >= unsent_.size() / 2) {
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  unsent_ += piece;
  const bool kept = !body_ended_ && unsent_.size() - sent_ <= app_.max_kept_bytes;
  if (!kept) resume_ = std::move(resume);
  const std::shared_ptr<StreamCall> self = shared();
  pump();
  if (kept) resume(gone_.load() ? Status(fail(gone())) : Status());
}

void StreamCall::end(::grpc::Status status) {
  ending_ = std::move(status);
  pump();
}

void StreamCall::pump() {
  const std::shared_ptr<StreamCall> self = shared();
  while (!writing_) {
    if (gone_.load()) return give_up();
    if (head_waits_ || sent_ < unsent_.size()) {
      send_message();
    } else if (auto resume = std::exchange(resume_, nullptr)) {
      // May write the next piece, or end.
      resume({});
    } else {
      if (ending_) conclude(std::move(*ending_));
      return;
    }
  }
}

void StreamCall::send_message() {
  if (!std::exchange(head_waits_, false)) response_.Clear();
  if (sent_ < unsent_.size()) {
    const std::size_t size = std::min(unsent_.size() - sent_, kPieceBytes);
    response_.mutable_payload()->set_data(unsent_.data() + sent_, size);
    response_.mutable_payload()->set_seq(seq_++);
    sent_ += size;
  }
  writing_ = begin_write();
  if (!writing_) gone_.store(true);
}

void StreamCall::written(bool ok) {
  writing_ = false;
  if (!ok) gone_.store(true);
  pump();
}

void StreamCall::give_up() {
  const std::shared_ptr<StreamCall> self = shared();
  if (auto done = std::exchange(read_done_, nullptr)) done(fail(gone()));
  if (auto resume = std::exchange(resume_, nullptr)) resume(fail(gone()));
}

}  // namespace tandem::api::grpc
