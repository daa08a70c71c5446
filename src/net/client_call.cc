#include "net/client_call.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kBuffer = 16 * 1024;
constexpr int kInterimAnswers = 16;  // 1xx answers before the real one

}  // namespace

std::string key_of(const ClientRequest& request) {
  std::string key = request.scheme + "://" + request.host + ":" + std::to_string(request.port);
  if (request.verify == ClientVerify::kNothing) key += " unverified";
  return to_lower(key);
}

ClientRequest with_port(ClientRequest request) {
  if (request.port == 0) request.port = request.scheme == "https" ? 443 : 80;
  return request;
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS" ||
         method == "TRACE";
}

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
  if (phase_ == Phase::kOver) return;
  finish();
  if (!in_sink_) sink_.reset();
}

void ClientCall::stop() { fail_with(Code::kCancelled, "the request to " + peer() + " was stopped"); }

// The end of the call, whatever it is; the sink is still there.
void ClientCall::finish() {
  const auto self = shared_from_this();
  phase_ = Phase::kOver;
  pool_->worker().timeouts().disarm(*this);
  if (connector_) connector_->abandon();
  if (transport_) transport_->close();
  pool_->remove(self);
}

template <class Callback>
void ClientCall::tell_sink(Callback callback) {
  in_sink_ = true;
  callback(*sink_);
  in_sink_ = false;
  if (phase_ == Phase::kOver) sink_.reset();
}

void ClientCall::fail_with(Code code, std::string message) {
  if (phase_ == Phase::kOver) return;
  const auto self = shared_from_this();
  finish();
  if (in_sink_) return;  // its own callback caused this: it knows
  tell_sink([&](ResponseSink& sink) { sink.on_error(make_error(code, std::move(message))); });
}

void ClientCall::broken(std::string_view what) { fail_with(Code::kUnavailable, peer() + " " + std::string(what)); }

void ClientCall::arm(std::chrono::milliseconds limit) {
  if (limit.count() <= 0) {
    pool_->worker().timeouts().disarm(*this);
  } else {
    pool_->worker().timeouts().arm(*this, std::chrono::steady_clock::now() + limit);
  }
}

void ClientCall::on_timeout() {
  const auto after = [](std::chrono::milliseconds limit) { return std::to_string(limit.count()) + " ms"; };
  switch (phase_) {
    case Phase::kConnecting:
      return fail_with(Code::kDeadlineExceeded,
                       "no connection to " + peer() + " within " + after(request_.connect_timeout));
    case Phase::kFirstByte:
      return fail_with(Code::kDeadlineExceeded,
                       peer() + " did not answer within " + after(request_.first_byte_timeout));
    case Phase::kBody:
      return fail_with(Code::kDeadlineExceeded,
                       peer() + " sent no more of its answer for " + after(request_.between_bytes_timeout));
    case Phase::kHeldBack:
    case Phase::kOver: break;
  }
}

// The request.

void ClientCall::connect() {
  arm(request_.connect_timeout);
  const auto connector = std::make_shared<ClientConnector>(
      pool_, request_, [call = weak_from_this()](Result<std::unique_ptr<ClientTransport>> transport) {
        const auto self = call.lock();
        if (!self || self->phase_ == Phase::kOver) return;
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
  std::optional<std::uint64_t> length;
  for (const OwnedHeader& header : request_.headers) {
    if (equals_ignoring_case(header.name, "content-length")) {
      std::uint64_t value = 0;
      const char* end = header.value.data() + header.value.size();
      if (std::from_chars(header.value.data(), end, value).ptr == end) length = value;
    }
    // The body follows at once: nobody waits for a 100, and the protocol is not changed.
    if (is_framing_header(header.name) || equals_ignoring_case(header.name, "expect") ||
        equals_ignoring_case(header.name, "upgrade")) {
      continue;
    }
    has_host = has_host || equals_ignoring_case(header.name, "host");
    append_header(head_, header.name, header.value);
  }
  if (!has_host) append_header(head_, "Host", authority_of(request_));
  if (const std::string* whole = std::get_if<std::string>(&request_.body)) {
    const bool usual = request_.method == "POST" || request_.method == "PUT" || request_.method == "PATCH";
    if (!whole->empty() || usual) append_header(head_, "Content-Length", std::to_string(whole->size()));
  } else if (length) {
    length_left_ = *length;
    append_header(head_, "Content-Length", std::to_string(*length));
  } else {
    chunked_ = true;
    append_header(head_, "Transfer-Encoding", "chunked");
  }
  head_ += "\r\n";
}

void ClientCall::send_request() {
  phase_ = Phase::kFirstByte;
  ++attempt_;
  arm(request_.first_byte_timeout);
  std::string_view body;
  if (const std::string* whole = std::get_if<std::string>(&request_.body)) body = *whole;
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::buffer(body.data(), body.size())};
  transport_->write(
      parts, [self = shared_from_this(), attempt = attempt_](const boost::system::error_code& error, std::size_t) {
        if (self->phase_ == Phase::kOver || attempt != self->attempt_) return;
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
    if (self->phase_ == Phase::kOver) return;
    if (!piece) return self->fail_with(piece.error().code, piece.error().message);
    self->write_piece(*piece);
  });
}

void ClientCall::write_piece(std::string_view piece) {
  if (!chunked_ && piece.size() > length_left_) {
    return fail_with(Code::kInvalidArgument,
                     "the body of the request to " + peer() + " is longer than its Content-Length");
  }
  if (!chunked_ && piece.empty()) {
    if (length_left_ > 0) {
      return fail_with(Code::kInvalidArgument,
                       "the body of the request to " + peer() + " is shorter than its Content-Length");
    }
    request_sent_ = true;
    return;
  }
  length_left_ -= chunked_ ? 0 : piece.size();
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
    if (self->phase_ == Phase::kOver) return;
    if (error) return self->write_failed(error);
    if (self->phase_ == Phase::kFirstByte) self->arm(self->request_.first_byte_timeout);
    if (last) {
      self->request_sent_ = true;
    } else {
      self->send_body();
    }
  });
}

void ClientCall::write_failed(const boost::system::error_code& error) {
  // The server may have answered and closed without reading all of the request: the reading side finds out.
  if (reading_ || phase_ == Phase::kHeldBack) return;
  if (try_again()) return;
  broken("closed the connection: " + error.message());
}

// The answer.

void ClientCall::make_room() {
  if (begin_ == tail_) begin_ = tail_ = scanned_ = 0;
  if (buffer_.empty()) buffer_.resize(kBuffer);
  if (tail_ < buffer_.size()) return;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, tail_ - begin_);
    scanned_ = scanned_ > begin_ ? scanned_ - begin_ : 0;
    tail_ -= begin_;
    begin_ = 0;
  } else {
    buffer_.resize(buffer_.size() * 2);  // a head or a line between chunks; both are limited
  }
}

void ClientCall::read_more() {
  if (reading_) return;
  make_room();
  reading_ = true;
  transport_->read_some(
      asio::buffer(buffer_.data() + tail_, buffer_.size() - tail_),
      [self = shared_from_this(), attempt = attempt_](const boost::system::error_code& error, std::size_t bytes) {
        if (self->phase_ == Phase::kOver || attempt != self->attempt_) return;
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
  } else if (phase_ == Phase::kFirstByte || phase_ == Phase::kBody) {
    phase_ = Phase::kBody;
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
  phase_ = Phase::kConnecting;
  connect();
  return true;
}

void ClientCall::process() {
  if (processing_) return;
  const auto self = shared_from_this();
  processing_ = true;
  while (phase_ != Phase::kOver && phase_ != Phase::kHeldBack) {
    if (!head_done_) {
      if (parse_head()) continue;
      if (phase_ == Phase::kOver || phase_ == Phase::kConnecting) break;
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
    const char* raw = buffer_.data() + begin_;
    char* const packed = buffer_.data() + begin_;
    char* end = packed;
    const ParseFault fault = parser_->decode(raw, buffer_.data() + tail_, end);
    begin_ = static_cast<std::size_t>(raw - buffer_.data());
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
  const std::string_view bytes(buffer_.data() + begin_, tail_ - begin_);
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
  if (parser_->parse_head(bytes.substr(0, head)) != ParseFault::kNone) {
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
  tell_sink([&](ResponseSink& sink) { sink.on_head(status, headers_); });
  return phase_ != Phase::kOver;
}

// Offers the answer in one piece when all of it is here. True when it was taken.
bool ClientCall::take_whole() {
  const std::uint64_t length = parser_->content_length().value_or(0);
  if (parser_->chunked() || parser_->need_eof() || (!parser_->is_done() && length > tail_ - begin_)) return false;
  const std::string_view body(buffer_.data() + begin_, parser_->is_done() ? 0 : static_cast<std::size_t>(length));
  bool taken = false;
  tell_sink([&](ResponseSink& sink) { taken = sink.on_whole(parser_->status(), headers_, body); });
  if (!taken || phase_ == Phase::kOver) return taken;
  if (!parser_->is_done()) {
    const char* raw = body.data();
    char* out = buffer_.data() + begin_;
    parser_->decode(raw, body.data() + body.size(), out);
    begin_ += body.size();
  }
  sink_.reset();  // it has heard everything
  return true;
}

void ClientCall::deliver(std::string_view piece) {
  phase_ = Phase::kHeldBack;
  pool_->worker().timeouts().disarm(*this);
  tell_sink([&](ResponseSink& sink) {
    sink.on_body(piece, [self = shared_from_this()](Status status) {
      if (self->phase_ != Phase::kHeldBack) return;
      if (!status) return self->cancel();
      self->phase_ = Phase::kBody;
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
  if (sink_) tell_sink([&](ResponseSink& sink) { sink.on_end(parser_->trailers()); });
}

}  // namespace tandem::net
