#include "net/http2_call.h"

#include <algorithm>
#include <utility>

#include "net/client_request.h"
#include "net/http2_host.h"
#include "net/http2_link.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

constexpr int kInterimAnswers = 16;  // 1xx answers before the real one
constexpr int kAttempts = 3;
constexpr std::size_t kStatusField = 1;  // it takes the place of the status line

}  // namespace

Http2Call::Http2Call(std::shared_ptr<ClientPool> pool, ClientRequest request, std::unique_ptr<ResponseSink> sink)
    : pool_(std::move(pool)), request_(with_port(std::move(request))), sink_(std::move(sink)) {}

Http2Call::~Http2Call() = default;

void Http2Call::start() {
  pool_->add(shared_from_this());
  if (const Status valid = check_request(request_); !valid) {
    return fail_with(valid.error().code, valid.error().message);
  }
  host_ = pool_->http2(key_of(request_));
  if (!host_) return stop();
  arm(request_.connect_timeout);
  host_->want(shared_from_this());
}

void Http2Call::cancel() {
  if (phase_ == CallPhase::kOver) return;
  finish();
  if (!sink_.in_callback()) sink_.drop();
}

void Http2Call::stop() { fail_with(Code::kCancelled, "the request to " + peer_of(request_) + " was stopped"); }

// The end of the call, whatever it is; the sink is still there.
void Http2Call::finish() {
  const auto self = shared_from_this();
  phase_ = CallPhase::kOver;
  sink_.call_is_over();
  pool_->worker().timeouts().disarm(*this);
  pool_->remove(self);
  if (const auto link = std::exchange(link_, nullptr)) {
    link->open_window(id_, arrived_.size() + std::exchange(delivered_, 0));
    if (!closed_) link->forget(id_);
  } else if (host_) {
    host_->leave(*this);
  }
}

void Http2Call::fail_with(Code code, std::string message) {
  if (phase_ == CallPhase::kOver) return;
  const auto self = shared_from_this();
  finish();
  if (sink_.in_callback()) return;  // its own callback caused this: it knows
  sink_.tell([&](ResponseSink& sink) { sink.on_error(make_error(code, std::move(message))); });
}

void Http2Call::arm(std::chrono::milliseconds limit) { pool_->worker().timeouts().arm_within(*this, limit); }

void Http2Call::on_timeout() {
  if (phase_ == CallPhase::kHeldBack || phase_ == CallPhase::kOver) return;
  const auto self = shared_from_this();
  if (phase_ == CallPhase::kFirstByte) link_->retire();  // it may be dead: the next call makes another
  Error error = overdue(request_, phase_);
  fail_with(error.code, std::move(error.message));
}

// The request.

void Http2Call::begin(std::shared_ptr<Http2Link> link) {
  if (phase_ == CallPhase::kOver) return;
  const auto self = shared_from_this();
  ++attempts_;
  link_was_used_ = link->used();
  phase_ = CallPhase::kFirstByte;
  fields_.emplace();
  closed_ = ended_ = head_done_ = invalid_ = deferred_ = wants_piece_ = false;
  Http2Fields fields;
  const bool carries = add_head(fields);
  if (const std::string* whole = std::get_if<std::string>(&request_.body)) piece_ = *whole;
  link_ = link;
  id_ = link->open(self, fields, carries ? Http2Link::Body::kCarried : Http2Link::Body::kNone);
  if (id_ == 0) {
    closed_ = true;
    return fail_with(Code::kUnavailable, peer_of(request_) + " takes no more requests on its connection");
  }
  arm(request_.first_byte_timeout);
}

// True when a body follows.
bool Http2Call::add_head(Http2Fields& fields) {
  std::string_view host;
  for (const OwnedHeader& header : request_.headers) {
    if (equals_ignoring_case(header.name, "host")) host = header.value;
  }
  const std::string own = authority_of(request_);
  fields.add(":method", request_.method);
  fields.add(":scheme", request_.scheme);
  fields.add(":authority", host.empty() ? std::string_view(own) : host);
  fields.add(":path", request_.target);
  for (const OwnedHeader& header : request_.headers) {
    const auto is = [&](std::string_view name) { return equals_ignoring_case(header.name, name); };
    if (is_clients_own(header.name) || is("host")) continue;
    if (is("te") && !equals_ignoring_case(header.value, "trailers")) continue;
    fields.add(header.name, header.value);
  }
  const std::optional<std::uint64_t> whole = whole_length(request_);
  length_left_ = streamed_length(request_);
  if (whole || length_left_) fields.add_number("content-length", whole ? *whole : *length_left_);
  return whole.value_or(0) > 0 || !std::holds_alternative<std::string>(request_.body);
}

ssize_t Http2Call::offer(std::size_t at_most, std::uint32_t& flags) {
  const bool streamed = !std::holds_alternative<std::string>(request_.body);
  if (piece_.empty() && streamed && !source_done_) {
    deferred_ = true;
    if (!std::exchange(wants_piece_, true)) link_->note(shared_from_this());
    return NGHTTP2_ERR_DEFERRED;
  }
  if (link_->holds_back(id_)) return NGHTTP2_ERR_DEFERRED;
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  const std::size_t bytes = std::min(piece_.size(), at_most);
  if (bytes < piece_.size() || (streamed && !source_done_)) return static_cast<ssize_t>(bytes);
  flags |= NGHTTP2_DATA_FLAG_EOF;
  if (streamed) {
    const auto& source = std::get<std::unique_ptr<BodySource>>(request_.body);
    Http2Fields trailers;
    if (source) trailers.add_trailers(source->trailers());
    if (!trailers.empty()) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto& list = trailers.list();
      nghttp2_submit_trailer(link_->session(), id_, list.data(), list.size());
    }
  }
  return static_cast<ssize_t>(bytes);
}

void Http2Call::append_to(std::string& out, std::size_t bytes) {
  out.append(piece_.substr(0, bytes));
  piece_.remove_prefix(bytes);
  if (phase_ == CallPhase::kFirstByte) arm(request_.first_byte_timeout);
}

void Http2Call::read_piece() {
  auto& source = std::get<std::unique_ptr<BodySource>>(request_.body);
  source_asked_ = true;
  if (!source) return take_piece(std::string_view());
  reading_piece_ = true;
  source->read([self = shared_from_this()](Result<std::string_view> piece) {
    self->reading_piece_ = false;
    if (self->phase_ != CallPhase::kOver) self->take_piece(std::move(piece));
  });
}

void Http2Call::take_piece(Result<std::string_view> piece) {
  if (!piece) return fail_with(piece.error().code, std::move(piece.error().message));
  if (const Status counted = count_piece(request_, piece->size(), length_left_); !counted) {
    return fail_with(counted.error().code, counted.error().message);
  }
  source_done_ = piece->empty();
  piece_ = *piece;
  if (std::exchange(deferred_, false) && link_ && !closed_) link_->resume(id_);
}

// The answer.

void Http2Call::on_field(std::string_view name, std::string_view value) {
  const ClientOptions& options = pool_->options();
  Http2Received& into = head_done_ ? trailers_ : *fields_;
  if (!into.add(name, value, options.max_head_bytes, options.max_headers + kStatusField)) too_large_ = true;
}

void Http2Call::on_head() {
  received_ = true;
  if (head_done_) return trailers_.seal();
  status_ = static_cast<int>(parse_length(fields_->pseudo(":status")).value_or(0));
  if (status_ < 200) {
    if (++interim_answers_ > kInterimAnswers || status_ == 101) invalid_ = true;
    fields_.emplace();
    return;
  }
  head_done_ = true;
  fields_->seal();
}

void Http2Call::on_body(std::string_view bytes) {
  received_ = true;
  arrived_ += bytes;
}

void Http2Call::on_closed(std::uint32_t error_code) {
  closed_ = true;
  error_code_ = error_code;
}

void Http2Call::on_link_gone(std::string_view why) {
  if (phase_ == CallPhase::kOver) return;
  const auto self = shared_from_this();
  closed_ = true;
  const bool safe = link_was_used_ && !received_ && attempts_ == 1 && is_idempotent(request_.method) &&
                    std::holds_alternative<std::string>(request_.body);
  if (safe && try_again()) return;
  std::string message = peer_of(request_) + " " + std::string(why);
  message += received_ ? " in the middle of its answer" : " before it answered";
  fail_with(Code::kUnavailable, std::move(message));
}

void Http2Call::settle() {
  if (phase_ == CallPhase::kOver || settling_) return;
  const auto self = shared_from_this();
  settling_ = true;
  if (std::exchange(wants_piece_, false) && !reading_piece_) read_piece();
  look();
  settling_ = false;
}

void Http2Call::look() {
  if (received_ && phase_ == CallPhase::kFirstByte) phase_ = CallPhase::kBody;
  if (phase_ == CallPhase::kBody) arm(request_.between_bytes_timeout);
  while (phase_ == CallPhase::kBody || (phase_ == CallPhase::kFirstByte && closed_)) {
    if (too_large_) {
      return fail_with(Code::kInternal, peer_of(request_) + " sent a head larger than " +
                                            std::to_string(pool_->options().max_head_bytes) + " bytes");
    }
    if (invalid_) return fail_with(Code::kInternal, peer_of(request_) + " sent an answer that is not valid HTTP/2");
    if (head_done_ && !head_told_) {
      if (ended_ && take_whole()) return;
      if (phase_ == CallPhase::kOver) return;
      head_told_ = true;
      sink_.tell([&](ResponseSink& sink) { sink.on_head(status_, fields_->headers()); });
    } else if (!arrived_.empty()) {
      deliver();
    } else if (head_done_ && ended_) {
      return complete();
    } else if (closed_) {
      return broken_off();
    } else {
      return;
    }
  }
}

// Offers the answer in one piece. True when it was taken.
bool Http2Call::take_whole() {
  bool taken = false;
  sink_.tell([&](ResponseSink& sink) { taken = sink.on_whole(status_, fields_->headers(), arrived_); });
  if (!taken || phase_ == CallPhase::kOver) return taken;
  sink_.drop();  // it has heard everything
  complete();
  return true;
}

void Http2Call::deliver() {
  phase_ = CallPhase::kHeldBack;
  pool_->worker().timeouts().disarm(*this);
  const std::string piece = std::exchange(arrived_, {});
  delivered_ += piece.size();
  sink_.tell([&](ResponseSink& sink) {
    sink.on_body(piece, [self = shared_from_this()](Status status) {
      if (self->phase_ != CallPhase::kHeldBack) return;
      if (!status) return self->cancel();
      self->phase_ = CallPhase::kBody;
      self->arm(self->request_.between_bytes_timeout);
      if (self->link_) self->link_->open_window(self->id_, std::exchange(self->delivered_, 0));
      self->settle();
    });
  });
}

void Http2Call::complete() {
  const auto self = shared_from_this();
  finish();
  if (sink_) sink_.tell([&](ResponseSink& sink) { sink.on_end(trailers_.headers()); });
}

// The stream has ended and the answer has not.
void Http2Call::broken_off() {
  if (error_code_ == NGHTTP2_REFUSED_STREAM && !received_ && !source_asked_ && try_again()) return;
  const std::string peer = peer_of(request_);
  fail_with(Code::kUnavailable, peer + (received_ ? " broke off its answer: " : " refused the request: ") +
                                    nghttp2_http2_strerror(error_code_));
}

// Sends the request again, where that cannot do it twice.
bool Http2Call::try_again() {
  if (attempts_ >= kAttempts || !host_) return false;
  link_.reset();
  phase_ = CallPhase::kConnecting;
  arm(request_.connect_timeout);
  host_->want(shared_from_this());
  return true;
}

}  // namespace tandem::net
