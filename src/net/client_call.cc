#include "net/client_call.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cstring>
#include <utility>

#include "net/client_request.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kBuffer = 16 * 1024;
constexpr int kInterimAnswers = 16;  // 1xx answers before the real one

// The length of "HTTP/1.1 200".
constexpr std::size_t kStatusLine = 12;

// A status line that ends with its number. Go reads that, and apps on small servers send it; Beast wants the space
// behind the number, also where no reason follows.
bool lacks_reason(std::string_view head) {
  return head.size() > kStatusLine && head[kStatusLine] == '\r' && head.starts_with("HTTP/1.") &&
         head[kStatusLine - 4] == ' ';
}

}  // namespace

ClientCall::ClientCall(std::shared_ptr<ClientPool> pool, ClientRequest request, std::unique_ptr<ResponseSink> sink)
    : pool_(std::move(pool)), request_(with_port(std::move(request))), sink_(std::move(sink)), key_(key_of(request_)) {}

ClientCall::~ClientCall() = default;

std::string ClientCall::peer() const { return peer_of(request_); }

void ClientCall::start() {
  pool_->add(shared_from_this());
  if (const Status valid = check_request(request_); !valid) return fail_with(valid.error().code, valid.error().message);
  build_head();
  transport_ = pool_->take(key_, request_.address_filter);
  if (!transport_) return connect();
  reused_ = true;
  send_request();
}

void ClientCall::cancel() {
  if (phase_ == CallPhase::kOver) return;
  finish();
  if (!sink_.in_callback()) sink_.drop();
}

void ClientCall::stop() { fail_with(Code::kCancelled, "the request to " + peer() + " was stopped"); }

// The end of the call, whatever it is; the sink is still there.
void ClientCall::finish() {
  const auto self = shared_from_this();
  phase_ = CallPhase::kOver;
  sink_.call_is_over();
  pool_->worker().timeouts().disarm(*this);
  if (connector_) connector_->abandon();
  if (transport_) transport_->close();
  pool_->remove(self);
}

void ClientCall::fail_with(Code code, std::string message) {
  if (phase_ == CallPhase::kOver) return;
  const auto self = shared_from_this();
  finish();
  if (sink_.in_callback()) return;  // its own callback caused this: it knows
  sink_.tell([&](ResponseSink& sink) { sink.on_error(make_error(code, std::move(message))); });
}

void ClientCall::broken(std::string_view what) { fail_with(Code::kUnavailable, peer() + " " + std::string(what)); }

void ClientCall::arm(std::chrono::milliseconds limit) { pool_->worker().timeouts().arm_within(*this, limit); }

void ClientCall::on_timeout() {
  if (phase_ == CallPhase::kHeldBack || phase_ == CallPhase::kOver) return;
  Error error = overdue(request_, phase_);
  fail_with(error.code, std::move(error.message));
}

// The request.

void ClientCall::connect() {
  arm(request_.connect_timeout);
  const auto connector = std::make_shared<ClientConnector>(
      pool_, request_, [call = weak_from_this()](Result<std::unique_ptr<ClientTransport>> transport) {
        const auto self = call.lock();
        if (!self || self->phase_ == CallPhase::kOver) return;
        self->connector_.reset();
        if (!transport) return self->fail_with(transport.error().code, std::move(transport.error().message));
        self->transport_ = std::move(*transport);
        self->reused_ = false;
        self->send_request();
      });
  connector_ = connector;
  connector->start();
}

void ClientCall::build_head() {
  head_ = request_.method + " " + request_.target + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const OwnedHeader& header : request_.headers) {
    if (is_clients_own(header.name)) continue;
    has_host = has_host || equals_ignoring_case(header.name, "host");
    append_header(head_, header.name, header.value);
  }
  if (!has_host) append_header(head_, "Host", authority_of(request_));
  const std::optional<std::uint64_t> whole = whole_length(request_);
  length_left_ = streamed_length(request_);
  if (whole || length_left_) {
    append_header(head_, "Content-Length", std::to_string(whole ? *whole : *length_left_));
  } else if (!std::holds_alternative<std::string>(request_.body)) {
    chunked_ = true;
    append_header(head_, "Transfer-Encoding", "chunked");
  }
  head_ += "\r\n";
}

void ClientCall::send_request() {
  phase_ = CallPhase::kFirstByte;
  ++attempt_;
  arm(request_.first_byte_timeout);
  std::string_view body;
  if (const std::string* whole = std::get_if<std::string>(&request_.body)) body = *whole;
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::buffer(body.data(), body.size())};
  transport_->write(
      parts, [self = shared_from_this(), attempt = attempt_](const boost::system::error_code& error, std::size_t) {
        if (self->phase_ == CallPhase::kOver || attempt != self->attempt_) return;
        if (error) return self->write_failed(error);
        self->sent();
      });
  read_more();
}

// Something was sent completely: the next piece of a streamed body, or nothing more.
void ClientCall::sent() {
  if (std::holds_alternative<std::string>(request_.body)) {
    request_sent_ = true;
    return;
  }
  send_body();
}

void ClientCall::send_body() {
  auto& source = std::get<std::unique_ptr<BodySource>>(request_.body);
  if (!source) return write_piece({});
  source->read([self = shared_from_this()](Result<std::string_view> piece) {
    if (self->phase_ == CallPhase::kOver) return;
    if (!piece) return self->fail_with(piece.error().code, piece.error().message);
    self->write_piece(*piece);
  });
}

void ClientCall::write_piece(std::string_view piece) {
  if (const Status counted = count_piece(request_, piece.size(), length_left_); !counted) {
    return fail_with(counted.error().code, counted.error().message);
  }
  if (!chunked_ && piece.empty()) {
    request_sent_ = true;
    return;
  }
  const bool last = piece.empty();
  chunk_head_.clear();
  if (chunked_) append_chunk_size(chunk_head_, piece.size());
  suffix_.clear();
  if (chunked_ && last) {
    const auto& source = std::get<std::unique_ptr<BodySource>>(request_.body);
    for (const Header& trailer : source ? source->trailers() : Headers()) {
      if (valid_header(trailer) && !is_framing_header(trailer.name))
        append_header(suffix_, trailer.name, trailer.value);
    }
  }
  if (chunked_) suffix_ += "\r\n";
  const std::array<asio::const_buffer, 3> parts{asio::buffer(chunk_head_), asio::buffer(piece.data(), piece.size()),
                                                asio::buffer(suffix_)};
  transport_->write(parts, [self = shared_from_this(), last](const boost::system::error_code& error, std::size_t) {
    if (self->phase_ == CallPhase::kOver) return;
    if (error) return self->write_failed(error);
    if (self->phase_ == CallPhase::kFirstByte) self->arm(self->request_.first_byte_timeout);
    if (last) {
      self->request_sent_ = true;
    } else {
      self->send_body();
    }
  });
}

void ClientCall::write_failed(const boost::system::error_code& error) {
  // The server may have answered and closed without reading all of the request: the reading side finds out.
  if (reading_ || phase_ == CallPhase::kHeldBack) return;
  if (try_again()) return;
  broken("closed the connection: " + error.message());
}

// The answer.

void ClientCall::make_room() {
  if (begin_ == tail_) begin_ = tail_ = scanned_ = 0;
  if (tail_ < room_) return;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, tail_ - begin_);
    scanned_ = scanned_ > begin_ ? scanned_ - begin_ : 0;
    tail_ -= begin_;
    begin_ = 0;
  } else {
    // At first; then a head or a line between chunks, and both are limited.
    room_ = std::max(kBuffer, room_ * 2);
    std::unique_ptr<char[]> larger = std::make_unique_for_overwrite<char[]>(room_);
    std::copy_n(buffer_.get(), tail_, larger.get());
    buffer_ = std::move(larger);
  }
}

void ClientCall::read_more() {
  if (reading_) return;
  make_room();
  reading_ = true;
  transport_->read_some(
      asio::buffer(buffer_.get() + tail_, room_ - tail_),
      [self = shared_from_this(), attempt = attempt_](const boost::system::error_code& error, std::size_t bytes) {
        if (self->phase_ == CallPhase::kOver || attempt != self->attempt_) return;
        self->on_read(error, bytes);
      });
}

void ClientCall::on_read(const boost::system::error_code& error, std::size_t bytes) {
  reading_ = false;
  tail_ += bytes;
  received_ += bytes;
  if (error) {
    if (error != asio::error::eof) {
      if (received_ == 0 && try_again()) return;
      const bool truncated = error == asio::ssl::error::stream_truncated;
      if (!truncated || !parser_ || (head_done_ && parser_->need_eof())) {
        return broken(received_ == 0 ? "closed the connection before it answered: " + error.message()
                                     : "broke the connection in the middle of its answer: " + error.message());
      }
    }
    input_ended_ = true;
  } else if (phase_ == CallPhase::kFirstByte || phase_ == CallPhase::kBody) {
    phase_ = CallPhase::kBody;
    arm(request_.between_bytes_timeout);
  }
  process();
}

// Sends the request again on a new connection, once, where that cannot do it twice.
bool ClientCall::try_again() {
  if (!reused_ || retried_ || received_ > 0 || !std::holds_alternative<std::string>(request_.body) ||
      !is_idempotent(request_.method)) {
    return false;
  }
  retried_ = true;
  ++attempt_;
  transport_->close();
  reading_ = false;
  input_ended_ = false;
  phase_ = CallPhase::kConnecting;
  connect();
  return true;
}

void ClientCall::process() {
  if (processing_) return;
  const auto self = shared_from_this();
  processing_ = true;
  while (phase_ != CallPhase::kOver && phase_ != CallPhase::kHeldBack) {
    if (!head_done_) {
      if (parse_head()) continue;
      if (phase_ == CallPhase::kOver || phase_ == CallPhase::kConnecting) break;
      if (input_ended_) {
        if (!try_again())
          broken(received_ == 0 ? "closed the connection before it answered"
                                : "closed the connection in the middle of its answer");
        break;
      }
      read_more();
      break;
    }
    if (parser_->is_done()) {
      complete();
      break;
    }
    const char* raw = buffer_.get() + begin_;
    char* const packed = buffer_.get() + begin_;
    char* end = packed;
    const ParseFault fault = parser_->decode(raw, buffer_.get() + tail_, end);
    begin_ = static_cast<std::size_t>(raw - buffer_.get());
    if (fault != ParseFault::kNone || (begin_ != tail_ && tail_ - begin_ > pool_->options().max_head_bytes)) {
      fail_with(Code::kInternal, peer() + " sent a body that is not valid HTTP/1.1");
      break;
    }
    if (end != packed) {
      deliver({packed, static_cast<std::size_t>(end - packed)});
      continue;
    }
    if (parser_->is_done()) continue;
    if (input_ended_) {
      boost::system::error_code error;
      parser_->put_eof(error);
      if (!error && parser_->is_done()) continue;
      broken("closed the connection in the middle of its answer");
      break;
    }
    read_more();
    break;
  }
  processing_ = false;
}

// True when there is progress: a head, or an interim answer skipped.
bool ClientCall::parse_head() {
  const std::string_view bytes(buffer_.get() + begin_, tail_ - begin_);
  const std::size_t limit = pool_->options().max_head_bytes;
  const std::size_t head = find_head_end(bytes, scanned_ > begin_ ? scanned_ - begin_ : 0);
  scanned_ = tail_;
  if (head > limit || (head == 0 && bytes.size() > limit)) {
    fail_with(Code::kInternal, peer() + " sent a head larger than " + std::to_string(limit) + " bytes");
    return false;
  }
  if (head == 0) return false;
  parser_.emplace(headers_, pool_->options().max_headers);
  if (request_.method == "HEAD") parser_->skip(true);
  std::string_view fields = bytes.substr(0, head);
  if (lacks_reason(fields)) {
    mended_head_.assign(fields).insert(kStatusLine, 1, ' ');
    fields = mended_head_;
  }
  if (parser_->parse_head(fields) != ParseFault::kNone) {
    fail_with(Code::kInternal, peer() + " sent an answer that is not valid HTTP/1.1");
    return false;
  }
  begin_ += head;
  scanned_ = begin_;
  const int status = parser_->status();
  if (status < 200) {
    if (status != 101 && status >= 100 && ++interim_answers_ <= kInterimAnswers) return true;
    fail_with(Code::kInternal,
              peer() + " answered with status " + std::to_string(status) + ", which was not asked for");
    return false;
  }
  head_done_ = true;
  if (take_whole()) return true;
  sink_.tell([&](ResponseSink& sink) { sink.on_head(status, headers_); });
  return phase_ != CallPhase::kOver;
}

// Offers the answer in one piece when all of it is here. True when it was taken.
bool ClientCall::take_whole() {
  const std::uint64_t length = parser_->content_length().value_or(0);
  if (parser_->chunked() || parser_->need_eof() || (!parser_->is_done() && length > tail_ - begin_)) return false;
  const std::string_view body(buffer_.get() + begin_, parser_->is_done() ? 0 : static_cast<std::size_t>(length));
  bool taken = false;
  sink_.tell([&](ResponseSink& sink) { taken = sink.on_whole(parser_->status(), headers_, body); });
  if (!taken || phase_ == CallPhase::kOver) return taken;
  if (!parser_->is_done()) {
    const char* raw = body.data();
    char* out = buffer_.get() + begin_;
    parser_->decode(raw, body.data() + body.size(), out);
    begin_ += body.size();
  }
  sink_.drop();  // it has heard everything
  return true;
}

void ClientCall::deliver(std::string_view piece) {
  phase_ = CallPhase::kHeldBack;
  pool_->worker().timeouts().disarm(*this);
  sink_.tell([&](ResponseSink& sink) {
    sink.on_body(piece, [self = shared_from_this()](Status status) {
      if (self->phase_ != CallPhase::kHeldBack) return;
      if (!status) return self->cancel();
      self->phase_ = CallPhase::kBody;
      self->arm(self->request_.between_bytes_timeout);
      self->process();
    });
  });
}

void ClientCall::complete() {
  const auto self = shared_from_this();
  const bool keep = parser_->keep_alive() && request_sent_ && begin_ == tail_ && !input_ended_ && !reading_;
  if (keep) pool_->give_back(key_, std::move(transport_));
  finish();
  if (sink_) sink_.tell([&](ResponseSink& sink) { sink.on_end(parser_->trailers()); });
}

}  // namespace tandem::net
