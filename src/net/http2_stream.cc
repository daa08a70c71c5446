#include "net/http2_stream.h"

#include <algorithm>
#include <utility>

#include "net/http2_connection.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

constexpr std::size_t kPseudoHeaders = 4;  // they take the place of the request line

}  // namespace

Http2Stream::Http2Stream(std::shared_ptr<Http2Connection> connection, std::int32_t id)
    : connection_(std::move(connection)), id_(id) {}

Http2Stream::~Http2Stream() = default;

// Frames that have come.

void Http2Stream::on_field(std::string_view name, std::string_view value) {
  const ServerOptions& options = connection_->shard().options();
  Http2Received& into = head_done_ ? trailer_fields_ : fields_;
  if (head_too_large_ || into.add(name, value, options.max_head_bytes, options.max_headers + kPseudoHeaders)) return;
  if (!head_done_) {
    head_too_large_ = true;
  } else if (!body_error_) {
    body_error_ = make_error(Code::kInvalidArgument, "the trailers of the request are too large");
  }
}

void Http2Stream::on_head() {
  if (head_done_) {
    trailer_fields_.seal();
    return;
  }
  head_done_ = true;
  fields_.seal();
  head_.method = fields_.pseudo(":method");
  head_.target = fields_.pseudo(":path");
  head_.scheme = fields_.pseudo(":scheme");
  head_.authority = fields_.pseudo(":authority");
  head_.headers = fields_.headers();
  if (head_.authority.empty()) head_.authority = find_header(head_.headers, "host").value_or("");
  to_dispatch_ = true;
}

void Http2Stream::on_body(std::string_view bytes) {
  body_bytes_ += bytes.size();
  const auto& limit = connection_->shard().options().max_body_bytes;
  if (limit && body_bytes_ > *limit && !body_error_) {
    body_error_ =
        make_error(Code::kResourceExhausted, "the request body is larger than " + std::to_string(*limit) + " bytes");
  }
  if (body_error_ || (!exchange_alive_ && !to_dispatch_)) {
    nghttp2_session_consume(connection_->session(), id_, bytes.size());
  } else {
    arrived_ += bytes;
  }
}

void Http2Stream::on_end() { body_done_ = true; }

void Http2Stream::on_closed() {
  closed_ = true;
  drop_arrived();
  if (!body_done_ && !body_error_) {
    body_error_ = make_error(Code::kCancelled, "the client has ended the stream in the middle of a request");
  }
  gone_ = gone_ || !answer_sent_;
  read_deadline_ = write_deadline_ = Clock::time_point::max();
}

void Http2Stream::take_over(const RequestHead& head, std::string_view body) {
  on_field(":method", head.method);
  on_field(":path", head.target);
  on_field(":scheme", head.scheme);
  on_field(":authority", head.authority);
  for (const Header& header : head.headers) {
    if (equals_ignoring_case(header.name, "connection") || equals_ignoring_case(header.name, "upgrade") ||
        equals_ignoring_case(header.name, "http2-settings")) {
      continue;
    }
    on_field(header.name, header.value);
  }
  counts_for_window_ = false;
  body_done_ = true;
  on_head();
  arrived_ = body;
  body_bytes_ = body.size();
}

// The request goes to the handler.

void Http2Stream::settle() {
  const auto self = shared_from_this();
  if (std::exchange(to_dispatch_, false) && !closed_) dispatch();
  if (read_done_ && (!arrived_.empty() || body_done_ || body_error_ || gone_)) deliver();
  if (gone_) {
    if (auto done = std::exchange(write_done_, nullptr)) {
      done(fail(Code::kCancelled, "the client has ended the stream"));
    }
    if (Task task = std::exchange(gone_task_, nullptr)) task();
  }
  close_request_side();
  if (closed_ && !exchange_alive_) record();
}

void Http2Stream::dispatch() {
  if (malformed_) return reset(NGHTTP2_PROTOCOL_ERROR);
  head_read_at_ = Clock::now();
  recording_ = true;
  connection_->shard().send_overdue(head_read_at_);
  std::string why;
  if (const auto status = check_head(why)) return refuse(*status, why);
  const auto expect = find_header(head_.headers, "expect");
  expects_continue_ = expect && !body_done_ && arrived_.empty();
  dispatched_ = exchange_alive_ = true;
  connection_->exchange_begun();
  connection_->shard().handler().handle(std::make_unique<Http2Exchange>(shared_from_this()));
}

// The status that says why no handler sees the request.
std::optional<int> Http2Stream::check_head(std::string& why) const {
  const ServerOptions& options = connection_->shard().options();
  if (head_too_large_) {
    why = "the head of the request is larger than " + std::to_string(options.max_head_bytes) +
          " bytes or has more than " + std::to_string(options.max_headers) + " headers\n";
    return 431;
  }
  const bool is_path = head_.target.starts_with('/') || (head_.target == "*" && head_.method == "OPTIONS");
  if (!valid_token(head_.method) || !is_path) {
    why = "the request target is not a path\n";
    return 400;
  }
  if (!std::ranges::all_of(head_.headers, valid_header)) {
    why = "the request is not valid HTTP/2\n";
    return 400;
  }
  const auto length = find_header(head_.headers, "content-length");
  if (length && options.max_body_bytes && parse_length(*length).value_or(0) > *options.max_body_bytes) {
    why = "the request body is larger than " + std::to_string(*options.max_body_bytes) + " bytes\n";
    return 413;
  }
  const auto expect = find_header(head_.headers, "expect");
  if (expect && !equals_ignoring_case(*expect, "100-continue")) {
    why = "the only expectation that is supported is 100-continue\n";
    return 417;
  }
  return std::nullopt;
}

// An answer of the server's own, to a request that no handler sees.
void Http2Stream::refuse(int status, std::string_view why) {
  drop_arrived();
  answer_instead(status, why);
}

void Http2Stream::exchange_gone() {
  exchange_alive_ = false;
  connection_->exchange_ended();
  read_done_ = nullptr;
  write_done_ = nullptr;
  gone_task_ = nullptr;
  read_deadline_ = Clock::time_point::max();
  drop_arrived();
  if (answer_ == Answer::kNone && !gone_ && !closed_) {
    if (connection_->shard().worker().stopped()) return connection_->close();
    respond(500, {}, {});
  } else if (answer_ == Answer::kStreaming) {
    answer_ = Answer::kCut;
    pending_.clear();
    pending_at_ = 0;
    reset(NGHTTP2_INTERNAL_ERROR);
  }
  close_request_side();
  if (closed_) record();
}

// An answer that has been sent ends the request too, whatever of it has not come.
void Http2Stream::close_request_side() {
  if (!answer_sent_ || exchange_alive_ || body_done_ || closed_ || std::exchange(request_ended_, true)) return;
  reset(NGHTTP2_NO_ERROR);
}

void Http2Stream::cut() {
  closed_ = true;
  gone_ = gone_ || !answer_sent_;
  counts_for_window_ = false;
  if (!body_done_ && !body_error_) {
    body_error_ = make_error(Code::kCancelled, "the client has closed the connection in the middle of a request");
  }
  read_deadline_ = write_deadline_ = Clock::time_point::max();
  settle();
}

void Http2Stream::record() {
  if (!std::exchange(recording_, false)) return;
  const int status = answer_ == Answer::kFinished && answer_sent_ ? status_ : 0;
  connection_->shard().observer().request_finished(
      RequestRecord{head_.method, head_.target, status, body_bytes_, bytes_out_, Clock::now() - head_read_at_});
}

void Http2Stream::reset(std::uint32_t error_code) {
  if (closed_ || connection_->closed()) return;
  nghttp2_submit_rst_stream(connection_->session(), NGHTTP2_FLAG_NONE, id_, error_code);
  connection_->flush_soon();
}

// The request's body.

void Http2Stream::read(Completion<std::string_view> done) {
  read_done_ = std::move(done);
  deliver();
}

void Http2Stream::deliver() {
  if (arrived_.empty() && !body_done_ && !body_error_ && !gone_) return wait_for_body();
  read_deadline_ = Clock::time_point::max();
  body_waited_ = body_wait();
  body_wanted_at_.reset();
  const auto self = shared_from_this();
  auto done = std::exchange(read_done_, nullptr);
  if (!arrived_.empty()) {
    taken_.clear();
    taken_.swap(arrived_);
    open_window(taken_.size());
    return done(std::string_view(taken_));
  }
  if (body_error_) return done(std::unexpected(*body_error_));
  if (!body_done_) return done(fail(Code::kCancelled, "the client has closed the connection"));
  done(std::string_view());
}

void Http2Stream::wait_for_body() {
  send_continue();
  if (!body_wanted_at_) body_wanted_at_ = Clock::now();
  std::chrono::milliseconds limit = connection_->shard().options().body_stall_timeout;
  if (const auto& all = connection_->shard().options().body_timeout) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*all - body_wait());
    if (left.count() <= 0) return body_stalled();
    limit = std::min(limit, left);
  }
  arm_read(limit);
}

void Http2Stream::body_stalled() {
  const auto& all = connection_->shard().options().body_timeout;
  body_error_ = make_error(Code::kDeadlineExceeded, all && body_wait() >= *all
                                                        ? "the client takes too long to send the request body"
                                                        : "the client sends no more of the request body");
  deliver();
}

Http2Stream::Clock::duration Http2Stream::body_wait() const {
  return body_waited_ + (body_wanted_at_ ? Clock::now() - *body_wanted_at_ : Clock::duration(0));
}

std::optional<std::string_view> Http2Stream::take_whole() {
  if (!body_done_ || body_error_) return std::nullopt;
  taken_.clear();
  taken_.swap(arrived_);
  open_window(taken_.size());
  return std::string_view(taken_);
}

void Http2Stream::open_window(std::size_t bytes) {
  if (!counts_for_window_ || bytes == 0 || connection_->closed()) return;
  nghttp2_session_consume(connection_->session(), id_, bytes);
  connection_->flush_soon();
}

// Nobody will take what has arrived, or the stream's own window is no more: the connection's is opened again.
void Http2Stream::drop_arrived() {
  if (counts_for_window_ && !arrived_.empty() && !connection_->closed()) {
    nghttp2_session_consume(connection_->session(), id_, arrived_.size());
  }
  if (closed_) counts_for_window_ = false;
  if (!exchange_alive_ && !to_dispatch_) arrived_.clear();
}

void Http2Stream::send_continue() {
  if (!std::exchange(expects_continue_, false) || answer_ != Answer::kNone || closed_ || connection_->closed()) return;
  Http2Fields& fields = connection_->fields();
  fields.clear();
  fields.add(":status", "100");
  const auto& list = fields.list();
  nghttp2_submit_headers(connection_->session(), NGHTTP2_FLAG_NONE, id_, nullptr, list.data(), list.size(), nullptr);
  connection_->flush_soon();
}

// Time-outs.

void Http2Stream::arm_read(std::chrono::milliseconds limit) {
  read_deadline_ = Clock::now() + limit;
  update_timer();
}

void Http2Stream::update_timer() {
  const Clock::time_point next = std::min(read_deadline_, write_deadline_);
  if (next != Clock::time_point::max()) connection_->shard().worker().timeouts().arm(*this, next);
}

void Http2Stream::on_timeout() {
  if (closed_) return;
  const auto self = shared_from_this();
  const Clock::time_point now = Clock::now();
  if (write_deadline_ <= now) {
    write_deadline_ = Clock::time_point::max();
    nghttp2_session* const session = connection_->session();
    // Else others come first, or the connection as a whole is stuck, for which it has a limit of its own.
    const bool stalled = nghttp2_session_get_stream_remote_window_size(session, id_) <= 0 ||
                         nghttp2_session_get_remote_window_size(session) <= 0;
    if (!pending_.empty() && stalled) {
      abort();
    } else if (!pending_.empty()) {
      arm_write();
    }
  } else if (read_deadline_ <= now) {
    read_deadline_ = Clock::time_point::max();
    if (read_done_) body_stalled();
  }
  if (!closed_) update_timer();
}

}  // namespace tandem::net
