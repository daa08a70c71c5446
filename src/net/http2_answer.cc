// The answering half of Http2Stream.

#include <algorithm>
#include <utility>

#include "net/http2_connection.h"
#include "net/http2_stream.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

constexpr std::size_t kCoalesce = 16 * 1024;  // pieces are gathered up to this before a write waits
constexpr int kInlineWrites = 16;             // completions of write() inside each other

ssize_t pull(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length, std::uint32_t* flags,
             nghttp2_data_source* source, void*) {
  return static_cast<Http2Stream*>(source->ptr)->offer(length, *flags);
}

}  // namespace

bool Http2Stream::adds_headers() const { return connection_->shard().options().own_headers == OwnHeaders::kAdded; }

bool Http2Stream::carries_no_body(int status) const { return status == 204 || status == 304 || head_.method == "HEAD"; }

// Status and headers. False when they are not valid HTTP.
bool Http2Stream::begin_answer(int status, Headers headers) {
  status_ = status;
  Http2Fields& fields = connection_->fields();
  fields.clear();
  if (status < 200 || status > 999) return false;
  fields.add_number(":status", static_cast<std::uint64_t>(status));
  if (!fields.add_all(headers)) return false;
  if (adds_headers() && !find_header(headers, "date")) {
    std::string_view line = connection_->shard().date().line();
    line.remove_prefix(line.find(' ') + 1);
    fields.add("date", line.substr(0, line.find('\r')));
  }
  return true;
}

void Http2Stream::submit(Body body) {
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = pull;
  const auto& list = connection_->fields().list();
  const int failed = nghttp2_submit_response(connection_->session(), id_, list.data(), list.size(),
                                             body == Body::kCarried ? &provider : nullptr);
  if (failed != 0) return reset(NGHTTP2_INTERNAL_ERROR);
  connection_->flush_soon();
}

void Http2Stream::answer_instead(int status, std::string_view why) {
  answer_ = Answer::kFinished;
  begin_answer(status, {});
  connection_->fields().add("content-type", "text/plain; charset=utf-8");
  connection_->fields().add_number("content-length", why.size());
  no_body_ = carries_no_body(status);
  if (!no_body_) {
    pending_ = why;
    arm_write();
  }
  bytes_out_ = pending_.size();
  submit(no_body_ ? Body::kNone : Body::kCarried);
}

void Http2Stream::respond(int status, Headers headers, std::string_view body) {
  if (answer_ != Answer::kNone) return;
  answer_ = Answer::kFinished;
  status_ = status;
  if (closed_ || connection_->closed()) return;
  if (!begin_answer(status, headers)) return answer_instead(500, "the answer is not valid HTTP\n");
  if (status != 204 && status != 304 && adds_headers()) {
    connection_->fields().add_number("content-length", body.size());
  }
  no_body_ = carries_no_body(status) || body.empty();
  if (!no_body_) {
    pending_ = body;
    bytes_out_ = body.size();
    arm_write();
  }
  submit(no_body_ ? Body::kNone : Body::kCarried);
}

void Http2Stream::start(int status, Headers headers) {
  if (answer_ != Answer::kNone) return;
  send_continue();  // it cannot follow the answer's head
  answer_ = Answer::kStreaming;
  status_ = status;
  if (closed_ || connection_->closed()) return;
  const auto length_text = find_header(headers, "content-length");
  const auto length = length_text ? parse_length(*length_text) : std::nullopt;
  if ((length_text && !length) || !begin_answer(status, headers)) {
    return answer_instead(500, "the answer is not valid HTTP\n");
  }
  no_body_ = carries_no_body(status);
  if (length && status != 204 && status != 304) connection_->fields().add_number("content-length", *length);
  if (!no_body_) length_left_ = length;
  submit(no_body_ ? Body::kNone : Body::kCarried);
}

void Http2Stream::write(std::string_view piece, Completion<void> done) {
  const auto cancelled = [] { return fail(Code::kCancelled, "the client has ended the stream"); };
  if (gone_ || connection_->closed()) return done(cancelled());
  if (answer_ != Answer::kStreaming) {
    return done(fail(Code::kFailedPrecondition, "the answer is not between start() and finish()"));
  }
  const auto self = shared_from_this();
  if (!no_body_ && !piece.empty()) {
    if (length_left_ && piece.size() > *length_left_) {
      abort();
      return done(fail(Code::kInvalidArgument, "the answer is longer than its Content-Length"));
    }
    if (length_left_) *length_left_ -= piece.size();
    bytes_out_ += piece.size();
    pending_ += piece;
    if (write_deadline_ == Clock::time_point::max()) arm_write();
    more_to_send();
    if (pending_.size() - pending_at_ > kCoalesce) connection_->flush();
    if (gone_) return done(cancelled());
  }
  if (pending_.size() - pending_at_ > kCoalesce) {
    write_done_ = std::move(done);
  } else if (inline_writes_ < kInlineWrites) {
    ++inline_writes_;
    done({});
    --inline_writes_;
  } else {
    connection_->shard().worker().post([self, done = std::move(done)]() mutable { done({}); });
  }
}

void Http2Stream::go_on_writing() {
  const auto self = shared_from_this();
  if (!write_is_over()) return;
  std::exchange(write_done_, nullptr)({});
}

void Http2Stream::finish(Headers trailers) {
  if (answer_ != Answer::kStreaming) return;
  if (gone_ || connection_->closed()) {
    answer_ = Answer::kCut;
    return;
  }
  if (length_left_.value_or(0) > 0) return abort();
  answer_ = Answer::kFinished;
  if (no_body_) return;
  trailers_out_.add_trailers(trailers);
  more_to_send();
}

void Http2Stream::abort() {
  if (answer_ == Answer::kFinished && answer_sent_) return;
  const auto self = shared_from_this();
  answer_ = Answer::kCut;
  gone_ = true;
  pending_.clear();
  pending_at_ = 0;
  reset(NGHTTP2_INTERNAL_ERROR);
  const auto cancelled = [] { return fail(Code::kCancelled, "the answer was cut off"); };
  if (auto done = std::exchange(read_done_, nullptr)) done(cancelled());
  if (auto done = std::exchange(write_done_, nullptr)) done(cancelled());
}

// The session has been told that there is nothing.
void Http2Stream::more_to_send() {
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(connection_->session(), id_);
  connection_->flush_soon();
}

ssize_t Http2Stream::offer(std::size_t at_most, std::uint32_t& flags) {
  const std::size_t left = pending_.size() - pending_at_;
  if (left == 0 && answer_ != Answer::kFinished) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (connection_->holds_back(id_)) return NGHTTP2_ERR_DEFERRED;
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  const std::size_t bytes = std::min(left, at_most);
  if (bytes == left && answer_ == Answer::kFinished) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!trailers_out_.empty()) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto& list = trailers_out_.list();
      nghttp2_submit_trailer(connection_->session(), id_, list.data(), list.size());
    }
  }
  return static_cast<ssize_t>(bytes);
}

void Http2Stream::append_to(std::string& out, std::size_t bytes) {
  out.append(pending_, pending_at_, bytes);
  pending_at_ += bytes;
  if (pending_at_ < pending_.size()) return arm_write();
  pending_.clear();
  pending_at_ = 0;
  write_deadline_ = Clock::time_point::max();
}

void Http2Stream::arm_write() {
  write_deadline_ = Clock::now() + connection_->shard().options().write_stall_timeout;
  update_timer();
}

}  // namespace tandem::net
