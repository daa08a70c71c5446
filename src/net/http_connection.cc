#include "net/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <utility>

#include "net/http2_connection.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kFirstBuffer = 8 * 1024;
constexpr std::size_t kKeptBuffer = 32 * 1024;     // an idle connection keeps no more
constexpr std::size_t kBodyWindow = 64 * 1024;     // of a body with a length
constexpr std::size_t kChunkWindow = 16 * 1024;    // of a chunked body; no line in it is longer
constexpr std::uint64_t kDrainBytes = 256 * 1024;  // of a body that the handler left unread
constexpr std::chrono::milliseconds kLingerTime{1000};

int status_of(ParseFault fault) {
  switch (fault) {
    case ParseFault::kTooManyHeaders: return 431;
    case ParseFault::kUnsupportedEncoding: return 501;
    case ParseFault::kUnsupportedVersion: return 505;
    case ParseFault::kBodyTooLarge: return 413;
    default: return 400;
  }
}

std::string_view text_of(ParseFault fault) {
  switch (fault) {
    case ParseFault::kTooManyHeaders: return "the request has too many headers\n";
    case ParseFault::kUnsupportedEncoding: return "the only Transfer-Encoding that is supported is chunked\n";
    case ParseFault::kUnsupportedVersion: return "only HTTP/1.0 and HTTP/1.1 are supported\n";
    case ParseFault::kBodyTooLarge: return "the request body is too large\n";
    default: return "the request is not valid HTTP/1.1\n";
  }
}

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<ServerShard> shard, ServerSocket socket)
    : shard_(std::move(shard)), socket_(std::move(socket)), preface_possible_(shard_->options().http2 != Http2::kOff) {}

HttpConnection::~HttpConnection() = default;

void HttpConnection::start() {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  head_timer_ = true;
  arm_read(shard_->options().head_timeout);
  start_reading();
}

void HttpConnection::drain() {
  drain_requested_ = true;
  // A request that has been read, but whose completion is still in the worker's queue, comes before this look.
  shard_->worker().post([self = shared_from_this()] { self->close_if_idle(); });
}

void HttpConnection::close_if_idle() {
  if (closed_ || exchange_alive_ || lingering_ || writing_ || !out_.empty()) return;
  if (answer_ != Answer::kNone && body_done_) return;
  // A request that has already arrived is still answered; an answer is not lost to a client that is still sending.
  if (!more_has_arrived()) return close();
  if (answer_ != Answer::kNone) {
    record();
    linger();
    start_reading();
  }
}

// The client sends nothing more.
void HttpConnection::close_after_answers() {
  if (!writing_ && !out_.empty()) flush();
  if (!writing_) close();  // else on_written() comes back here
}

bool HttpConnection::more_has_arrived() {
  boost::system::error_code error;
  return socket_.available(error) > 0;
}

bool HttpConnection::under_way() const {
  if (answer_ == Answer::kNone) return exchange_alive_;
  return answer_ == Answer::kStreaming || writing_ || !out_.empty();
}

void HttpConnection::close() {
  if (closed_) return;
  const auto self = shared_from_this();
  closed_ = true;
  gone_ = true;
  if (answer_ == Answer::kCut && framing_ == Framing::kUntilClose) {
    // An orderly end would look like the end of the body.
    boost::system::error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  }
  boost::system::error_code ignored;
  socket_.close(ignored);
  read_deadline_ = write_deadline_ = Clock::time_point::max();
  shard_->worker().timeouts().disarm(*this);
  if (!exchange_alive_) record();
  shard_->remove(*this);
  const auto cancelled = [] { return fail(Code::kCancelled, "the client has closed the connection"); };
  if (auto done = std::exchange(read_done_, nullptr)) done(cancelled());
  if (auto done = std::exchange(write_done_, nullptr)) done(cancelled());
}

void HttpConnection::record() {
  if (!std::exchange(recording_, false)) return;
  const bool answered = answer_ == Answer::kFinished;
  shard_->observer().request_finished(RequestRecord{head_.method, head_.target, answered ? status_ : 0, body_bytes_,
                                                    bytes_out_, Clock::now() - head_read_at_});
}

void HttpConnection::advance() {
  if (advancing_ || closed_) return;
  const auto self = shared_from_this();
  advancing_ = true;
  while (!closed_ && !exchange_alive_ && !lingering_) {
    if (answer_ != Answer::kNone && !end_request()) break;
    if (!parse_next()) break;
    dispatch();
  }
  advancing_ = false;
  if (closed_) return;
  if (exchange_alive_) {
    watch_client();
  } else if (gathered_ && answer_ == Answer::kNone) {
    // Reading goes on after the answer has left: nothing is there before.
  } else if (answer_ == Answer::kNone || lingering_ || (!writing_ && !body_done_)) {
    start_reading();
  }
}

// While a handler thinks, a read with nothing buffered tells when the client goes.
void HttpConnection::watch_client() {
  if (exchange_alive_ && body_done_ && begin_ == tail_ && tail_ < capacity_) start_reading();
}

// True when the answer is sent, the request's bytes are consumed and the connection goes on.
bool HttpConnection::end_request() {
  if (answer_ == Answer::kCut) {
    close();
    return false;
  }
  const bool goes_on = keep_alive_ && body_done_ && !input_closed_ && !drain_requested_;
  if (!writing_ && !out_.empty() && !(gathered_ && goes_on)) flush();
  if (writing_ || closed_) return false;
  if (!keep_alive_) {
    record();
    linger();
    return false;
  }
  while (!body_done_) {
    body_begin_ = body_end_ = body_start_;
    if (!decode_body() || (drained_bytes_ += body_end_ - body_start_) > kDrainBytes) {
      record();
      linger();
      return false;
    }
    if (body_done_) break;
    if (input_closed_) {
      close();
      return false;
    }
    if (!reading_) {
      if (begin_ != tail_) std::memmove(data_.get() + body_start_, at(begin_), tail_ - begin_);
      tail_ = body_start_ + (tail_ - begin_);
      begin_ = body_start_;
      if (tail_ == capacity_) {  // a line between chunks that does not end
        record();
        linger();
        return false;
      }
    }
    if (read_deadline_ == Clock::time_point::max()) arm_read(shard_->options().body_stall_timeout);
    if (drain_requested_) drain();
    return false;
  }
  record();
  answer_ = Answer::kNone;
  framing_ = Framing::kNone;
  scanned_ = begin_;
  head_timer_ = false;
  arm_read(shard_->options().idle_timeout);
  return true;
}

// True when a request is ready for dispatch().
bool HttpConnection::parse_next() {
  while (tail_ - begin_ >= 2 && at(begin_)[0] == '\r' && at(begin_)[1] == '\n') begin_ += 2;
  if (begin_ == tail_) {
    if (drain_requested_) drain();
    if (input_closed_) {
      close_after_answers();
    } else if (!reading_) {
      begin_ = tail_ = scanned_ = 0;
      if (capacity_ > kKeptBuffer) {
        data_.reset();
        capacity_ = 0;
      }
    }
    return false;
  }
  const std::string_view bytes(at(begin_), tail_ - begin_);
  if (preface_possible_ && await_preface(bytes)) return false;
  if (shard_->options().http2 == Http2::kOnly) {
    refuse(505, "only HTTP/2 is spoken here\n");
    return false;
  }
  const std::size_t limit = shard_->options().max_head_bytes;
  const std::size_t head = find_head_end(bytes, scanned_ > begin_ ? scanned_ - begin_ : 0);
  if (head > limit || (head == 0 && bytes.size() > limit)) {
    refuse(431, "the head of the request is larger than " + std::to_string(limit) + " bytes\n");
    return false;
  }
  if (head > 0) return accept_request(head);

  const std::size_t seen = scanned_ > begin_ ? scanned_ - begin_ : 0;
  scanned_ = tail_;
  if (has_bare_line_feed(bytes, seen)) {
    refuse(400, text_of(ParseFault::kMalformed));
    return false;
  }
  if (input_closed_) {
    close_after_answers();
    return false;
  }
  if (drain_requested_) drain();
  if (!reading_ && tail_ == capacity_) grow(begin_ > 0 ? capacity_ : capacity_ * 2);
  if (!head_timer_) {
    head_timer_ = true;
    arm_read(shard_->options().head_timeout);
  }
  return false;
}

bool HttpConnection::accept_request(std::size_t head_bytes) {
  const auto refused = [this](int status, std::string_view why) {
    refuse(status, why);
    return false;
  };
  head_ = RequestHead{};
  parser_.emplace(headers_, shard_->options().max_headers);
  ParseFault fault = parser_->parse_head({at(begin_), head_bytes});
  if (fault != ParseFault::kNone) return refused(status_of(fault), text_of(fault));

  const std::uint64_t length = parser_->content_length().value_or(0);
  const auto& body_limit = shard_->options().max_body_bytes;
  if (body_limit && length > *body_limit) {
    return refused(413, "the request body is larger than " + std::to_string(*body_limit) + " bytes\n");
  }
  // Room for the body while its head stays where it is: the views of the head must not move any more.
  const std::size_t arrived = tail_ - begin_ - head_bytes;
  const std::size_t window =
      parser_->chunked() ? kChunkWindow : static_cast<std::size_t>(std::min<std::uint64_t>(length, kBodyWindow));
  if (!parser_->is_done() && (parser_->chunked() || length > arrived) && capacity_ - begin_ - head_bytes < window &&
      !reading_) {
    grow(head_bytes + std::max(arrived, window));
    parser_.emplace(headers_, shard_->options().max_headers);
    fault = parser_->parse_head({at(begin_), head_bytes});
    if (fault != ParseFault::kNone) return refused(status_of(fault), text_of(fault));
  }
  if (body_limit) parser_->limit_body(*body_limit);

  begin_ += head_bytes;
  body_start_ = body_begin_ = body_end_ = begin_;
  body_bytes_ = drained_bytes_ = bytes_out_ = 0;
  body_error_.reset();
  body_waited_ = Clock::duration(0);
  body_wanted_at_.reset();
  body_done_ = parser_->is_done();
  keep_alive_ = parser_->keep_alive();
  head_.method = parser_->method();
  head_.target = parser_->target();
  head_.scheme = "http";
  head_.authority = parser_->host();
  head_.headers = headers_;
  if (!normalize_target()) return refused(400, "the request target is not a path\n");
  expects_continue_ = false;
  if (parser_->expect() && parser_->version() >= 11) {
    if (!equals_ignoring_case(*parser_->expect(), "100-continue")) {
      return refused(417, "the only expectation that is supported is 100-continue\n");
    }
    expects_continue_ = !body_done_ && begin_ == tail_;
  }
  if (!body_done_ && begin_ != tail_ && !decode_body() && body_error_->code == Code::kInvalidArgument) {
    return refused(400, "the request body is not valid HTTP/1.1\n");
  }
  return !parser_->upgrade() || !upgrade();
}

// At the first bytes of a connection: true when they are HTTP/2's preface, and this connection is another's now, or may
// become it.
bool HttpConnection::await_preface(std::string_view bytes) {
  if (bytes.size() < kHttp2Preface.size() && kHttp2Preface.starts_with(bytes)) {
    if (input_closed_) close();
    return true;
  }
  preface_possible_ = false;
  if (!bytes.starts_with(kHttp2Preface)) return false;
  const auto next = std::make_shared<Http2Connection>(shard_, std::move(socket_));
  hand_over(next);
  next->start(bytes);
  return true;
}

// True when the request asks for HTTP/2 and gets it: this connection is another's now. Where that cannot be, the
// request is answered as it came.
bool HttpConnection::upgrade() {
  if (shard_->options().http2 == Http2::kOff || !body_done_ || body_error_) return false;
  if (reading_ || writing_ || gathered_ || !out_.empty()) return false;
  const auto protocol = find_header(headers_, "upgrade");
  const auto settings = find_header(headers_, "http2-settings");
  std::string payload;
  if (!protocol || !equals_ignoring_case(*protocol, "h2c")) return false;
  if (!settings || !decode_http2_settings(*settings, payload)) return false;
  const auto next = std::make_shared<Http2Connection>(shard_, std::move(socket_));
  hand_over(next);
  next->start_upgraded(payload, head_, {at(body_start_), body_end_ - body_start_}, {at(begin_), tail_ - begin_});
  return true;
}

void HttpConnection::hand_over(const std::shared_ptr<Http2Connection>& next) {
  closed_ = true;
  read_deadline_ = Clock::time_point::max();
  shard_->worker().timeouts().disarm(*this);
  shard_->replace(*this, next);
  if (drain_requested_) next->drain();
}

// Takes the origin form out of the absolute form. False for anything but a path, "*" for OPTIONS and an http(s) URL.
bool HttpConnection::normalize_target() {
  std::string_view& target = head_.target;
  if (target.starts_with('/')) return true;
  if (target == "*") return head_.method == "OPTIONS";
  const std::size_t scheme_end = target.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view scheme = target.substr(0, scheme_end);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return false;
  const std::string_view rest = target.substr(scheme_end + 3);
  const std::size_t path = rest.find_first_of("/?");
  head_.authority = rest.substr(0, path);
  if (head_.authority.empty()) return false;
  if (path == std::string_view::npos) {
    target = "/";
    return true;
  }
  target = rest.substr(path);
  return target.starts_with('/');
}

void HttpConnection::dispatch() {
  head_read_at_ = Clock::now();
  shard_->send_overdue(head_read_at_);
  if (closed_) return;
  exchange_alive_ = true;
  recording_ = true;
  head_timer_ = false;
  answer_ = Answer::kNone;
  read_deadline_ = Clock::time_point::max();
  context_.app_id.clear();
  context_.deadline = SteadyTime::max();
  context_.trace.traceparent.clear();
  context_.trace.tracestate.clear();
  shard_->handler().handle(std::unique_ptr<Exchange>(new (exchange_place_) ServerExchange(shared_from_this())));
}

void HttpConnection::linger() {
  boost::system::error_code error;
  if (input_closed_ || (body_done_ && begin_ == tail_)) return close();
  // Closing now would reset the connection and take the answer with it: the client is still sending.
  lingering_ = true;
  drained_bytes_ = 0;
  socket_.shutdown(ServerSocket::shutdown_send, error);
  if (error) return close();
  arm_read(kLingerTime);
}

void HttpConnection::grow(std::size_t capacity) {
  const std::size_t used = tail_ - begin_;
  if (capacity == capacity_ && data_) {
    std::memmove(data_.get(), at(begin_), used);
  } else {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (used > 0) std::memcpy(larger.get(), at(begin_), used);
    data_ = std::move(larger);
    capacity_ = capacity;
  }
  scanned_ = scanned_ > begin_ ? scanned_ - begin_ : 0;
  begin_ = 0;
  tail_ = used;
}

void HttpConnection::start_reading() {
  if (reading_ || closed_ || input_closed_) return;
  if (lingering_) begin_ = tail_ = 0;
  if (!data_) grow(kFirstBuffer);
  reading_ = true;
  socket_.async_read_some(asio::buffer(data_.get() + tail_, capacity_ - tail_),
                          [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                            self->on_readable(error, bytes);
                          });
}

void HttpConnection::on_readable(const boost::system::error_code& error, std::size_t bytes) {
  reading_ = false;
  if (closed_) return;
  if (lingering_) {
    drained_bytes_ += bytes;
    if (error || drained_bytes_ > kDrainBytes * 4) return close();
    return start_reading();
  }
  tail_ += bytes;
  if (error) {
    input_closed_ = true;
    if (!exchange_alive_) return advance();
    gone_ = true;
    if (error != asio::error::eof) return close();
    if (!body_done_ && !body_error_) {
      body_error_ = make_error(Code::kCancelled, "the client has closed the connection in the middle of a request");
    }
    if (read_done_) deliver_body();
    return;
  }
  if (!exchange_alive_) return advance();
  if (body_done_) return;  // the next request, or a part of it
  const auto self = shared_from_this();
  decode_body();
  if (read_done_) deliver_body();
  watch_client();
}

void HttpConnection::exchange_gone() {
  exchange_alive_ = false;
  read_done_ = nullptr;
  write_done_ = nullptr;
  if (closed_) {
    if (answer_ == Answer::kStreaming) answer_ = Answer::kCut;
    return record();
  }
  if (answer_ == Answer::kNone) {
    if (shard_->worker().stopped()) return close();
    respond(500, {}, {});
  } else if (answer_ == Answer::kStreaming) {
    answer_ = Answer::kCut;
  }
  advance();
}

// The request's body.

bool HttpConnection::decode_body() {
  const char* raw = at(begin_);
  char* out = data_.get() + body_end_;
  const ParseFault fault = parser_->decode(raw, at(tail_), out);
  begin_ = static_cast<std::size_t>(raw - data_.get());
  const auto end = static_cast<std::size_t>(out - data_.get());
  body_bytes_ += end - body_end_;
  body_end_ = end;
  body_done_ = parser_->is_done();
  if (fault == ParseFault::kNone) return true;
  body_error_ = fault == ParseFault::kBodyTooLarge
                    ? make_error(Code::kResourceExhausted,
                                 "the request body is larger than " +
                                     std::to_string(shard_->options().max_body_bytes.value_or(0)) + " bytes")
                    : make_error(Code::kInvalidArgument, "the request body is not valid HTTP/1.1");
  return false;
}

void HttpConnection::read_body(Completion<std::string_view> done) {
  read_done_ = std::move(done);
  if (body_begin_ == body_end_ && !body_done_ && !body_error_ && !closed_) return fetch_body();
  deliver_body();
}

// Gets more of the body from the socket; everything decoded so far has been delivered.
void HttpConnection::fetch_body() {
  if (!reading_) {
    if (begin_ != tail_) std::memmove(data_.get() + body_start_, at(begin_), tail_ - begin_);
    tail_ = body_start_ + (tail_ - begin_);
    begin_ = body_begin_ = body_end_ = body_start_;
    if (tail_ == capacity_) {
      body_error_ = make_error(Code::kInvalidArgument, "a line between the chunks of the request body is too long");
      return deliver_body();
    }
  }
  send_continue();
  if (closed_) return;  // sending failed: read_done_ has run
  if (!body_wanted_at_) body_wanted_at_ = Clock::now();
  std::chrono::milliseconds limit = shard_->options().body_stall_timeout;
  if (const auto& all = shard_->options().body_timeout) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*all - body_wait());
    // Not left to the timer, which starts again with each byte and is coarse.
    if (left.count() <= 0) return body_stalled();
    limit = std::min(limit, left);
  }
  arm_read(limit);
  start_reading();
}

void HttpConnection::body_stalled() {
  const auto& all = shard_->options().body_timeout;
  body_error_ = make_error(Code::kDeadlineExceeded, all && body_wait() >= *all
                                                        ? "the client takes too long to send the request body"
                                                        : "the client sends no more of the request body");
  deliver_body();
}

HttpConnection::Clock::duration HttpConnection::body_wait() const {
  return body_waited_ + (body_wanted_at_ ? Clock::now() - *body_wanted_at_ : Clock::duration(0));
}

void HttpConnection::deliver_body() {
  if (body_begin_ == body_end_ && !body_done_ && !body_error_ && !closed_) return fetch_body();
  read_deadline_ = Clock::time_point::max();
  body_waited_ = body_wait();
  body_wanted_at_.reset();
  auto done = std::exchange(read_done_, nullptr);
  const auto self = shared_from_this();
  if (body_begin_ != body_end_) {
    const std::string_view piece(at(body_begin_), body_end_ - body_begin_);
    body_begin_ = body_end_;
    return done(piece);
  }
  if (body_error_) return done(std::unexpected(*body_error_));
  if (!body_done_) return done(fail(Code::kCancelled, "the client has closed the connection"));
  done(std::string_view());
}

std::optional<std::string_view> HttpConnection::take_whole_body() {
  if (!body_done_ || body_error_) return std::nullopt;
  const std::string_view whole(at(body_begin_), body_end_ - body_begin_);
  body_begin_ = body_end_;
  return whole;
}

bool HttpConnection::drainable() const {
  if (body_done_) return true;
  if (body_error_ || expects_continue_) return false;
  return parser_->chunked() || parser_->content_length_remaining().value_or(0) <= kDrainBytes;
}

// Time-outs.

void HttpConnection::arm_read(std::chrono::milliseconds delay) {
  read_deadline_ = Clock::now() + delay;
  update_timer();
}

void HttpConnection::arm_write(std::chrono::milliseconds delay) {
  write_deadline_ = Clock::now() + delay;
  update_timer();
}

void HttpConnection::update_timer() {
  const Clock::time_point next = std::min(read_deadline_, write_deadline_);
  if (next == Clock::time_point::max()) return;
  shard_->worker().timeouts().arm(*this, next);
}

void HttpConnection::on_timeout() {
  if (closed_) return;
  const auto self = shared_from_this();
  const Clock::time_point now = Clock::now();
  if (write_deadline_ <= now) {
    write_failed();
  } else if (read_deadline_ <= now) {
    read_deadline_ = Clock::time_point::max();
    if (exchange_alive_) {
      if (read_done_) body_stalled();
    } else if (answer_ == Answer::kNone && begin_ != tail_) {
      refuse(408, "the head of the request took too long\n");
      advance();
    } else {
      close();
    }
  }
  if (!closed_) update_timer();
}

}  // namespace tandem::net
