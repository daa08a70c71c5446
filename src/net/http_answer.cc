// The answering half of HttpConnection, and the Exchange that hands it to a handler.

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/http_connection.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kCoalesce = 16 * 1024;    // pieces are gathered up to this before they are sent
constexpr std::size_t kKeptOutput = 64 * 1024;  // an answer's leftover buffer keeps no more
constexpr int kInlineWrites = 16;               // completions of write() inside each other

bool has_no_body(int status) { return status == 204 || status == 304; }

}  // namespace

void ServerExchange::operator delete(ServerExchange* exchange, std::destroying_delete_t) {
  const auto connection = std::move(exchange->connection_);
  exchange->~ServerExchange();
  connection->exchange_gone();  // may make the next exchange in the same place
}

const RequestHead& ServerExchange::head() const { return connection_->head_; }
CallContext& ServerExchange::context() { return connection_->context_; }
void ServerExchange::respond(int status, Headers headers, std::string_view body) {
  connection_->respond(status, headers, body);
}
void ServerExchange::start(int status, Headers headers) { connection_->start_answer(status, headers); }
void ServerExchange::write(std::string_view piece, Completion<void> done) {
  connection_->write(piece, std::move(done));
}
void ServerExchange::finish(Headers trailers) { connection_->finish(trailers); }
void ServerExchange::abort() { connection_->abort(); }
bool ServerExchange::gone() const { return connection_->gone_; }
void ServerExchange::read(Completion<std::string_view> done) { connection_->read_body(std::move(done)); }
std::optional<std::string_view> ServerExchange::take_whole() { return connection_->take_whole_body(); }
Headers ServerExchange::trailers() const { return connection_->trailers(); }

// Status line and headers without those that frame the body. False when they are not valid HTTP.
bool HttpConnection::begin_head(int status, Headers headers) {
  status_ = status;
  if (status < 200 || status > 999) return false;
  for (const Header& header : headers) {
    if (!valid_header(header)) return false;
  }
  append_status_line(out_, status);
  bool dated = false;
  for (const Header& header : headers) {
    if (is_framing_header(header.name)) continue;
    if (header.name.size() == 4 && equals_ignoring_case(header.name, "date")) dated = true;
    append_header(out_, header.name, header.value);
  }
  if (!dated) out_ += shard_->date().line();
  return true;
}

void HttpConnection::end_head() {
  keep_alive_ = keep_alive_ && !shard_->draining() && !drain_requested_ && drainable();
  if (!keep_alive_) {
    out_ += "Connection: close\r\n";
  } else if (parser_->version() < 11) {
    out_ += "Connection: keep-alive\r\n";
  }
  out_ += "\r\n";
}

void HttpConnection::answer_instead(int status, std::string_view why) {
  answer_ = Answer::kFinished;
  begin_head(status, {});
  append_header(out_, "Content-Type", "text/plain; charset=utf-8");
  out_ += "Content-Length: ";
  append_number(out_, why.size());
  out_ += "\r\n";
  end_head();
  if (head_.method != "HEAD") out_ += why;
  flush();
}

void HttpConnection::respond(int status, Headers headers, std::string_view body) {
  if (answer_ != Answer::kNone) return;
  answer_ = Answer::kFinished;
  status_ = status;
  if (closed_) return;
  if (!begin_head(status, headers)) return answer_instead(500, "the answer is not valid HTTP/1.1\n");
  if (!has_no_body(status)) {
    out_ += "Content-Length: ";
    append_number(out_, body.size());
    out_ += "\r\n";
  }
  end_head();
  if (has_no_body(status) || head_.method == "HEAD") body = {};
  bytes_out_ = body.size();
  if (!writing_ && out_.size() + body.size() < kCoalesce && shard_->gathers()) {
    out_ += body;
    flush_soon();
  } else {
    send(body, {});
  }
}

void HttpConnection::start_answer(int status, Headers headers) {
  if (answer_ != Answer::kNone) return;
  // The body may still be read, and a 100 cannot follow the answer's head.
  send_continue();
  answer_ = Answer::kStreaming;
  status_ = status;
  if (closed_) return;
  const auto length_text = find_header(headers, "content-length");
  const auto length = length_text ? parse_length(*length_text) : std::nullopt;
  if ((length_text && !length) || !begin_head(status, headers)) {
    return answer_instead(500, "the answer is not valid HTTP/1.1\n");
  }
  if (length && !has_no_body(status)) {
    out_ += "Content-Length: ";
    append_number(out_, *length);
    out_ += "\r\n";
  }
  if (has_no_body(status) || head_.method == "HEAD") {
    framing_ = Framing::kNone;
  } else if (length) {
    framing_ = Framing::kLength;
    length_left_ = *length;
  } else if (parser_->version() >= 11) {
    framing_ = Framing::kChunked;
    out_ += "Transfer-Encoding: chunked\r\n";
  } else {
    framing_ = Framing::kUntilClose;
    keep_alive_ = false;
  }
  end_head();
  flush_soon();
}

void HttpConnection::write(std::string_view piece, Completion<void> done) {
  if (closed_) return done(fail(Code::kCancelled, "the client has closed the connection"));
  if (answer_ != Answer::kStreaming) {
    return done(fail(Code::kFailedPrecondition, "the answer is not between start() and finish()"));
  }
  const auto self = shared_from_this();
  if (framing_ != Framing::kNone && !piece.empty()) {
    if (framing_ == Framing::kLength && piece.size() > length_left_) {
      abort();
      return done(fail(Code::kInvalidArgument, "the answer is longer than its Content-Length"));
    }
    length_left_ -= framing_ == Framing::kLength ? piece.size() : 0;
    bytes_out_ += piece.size();
    std::string_view suffix;
    if (framing_ == Framing::kChunked) {
      append_chunk_size(out_, piece.size());
      suffix = "\r\n";
    }
    if (!writing_ && out_.size() + piece.size() < kCoalesce) {
      out_.append(piece).append(suffix);
      flush_soon();
    } else {
      send(piece, suffix);
    }
    if (closed_) return done(fail(Code::kCancelled, "the client has closed the connection"));
  }
  if (writing_) {
    write_done_ = std::move(done);
  } else if (inline_writes_ < kInlineWrites) {
    ++inline_writes_;
    done({});
    --inline_writes_;
  } else {
    asio::post(socket_.get_executor(), [self, done = std::move(done)]() mutable { done({}); });
  }
}

void HttpConnection::finish(Headers trailers) {
  if (answer_ != Answer::kStreaming) return;
  if (closed_) {
    answer_ = Answer::kCut;
    return;
  }
  if (framing_ == Framing::kLength && length_left_ > 0) return abort();
  answer_ = Answer::kFinished;
  if (framing_ == Framing::kChunked) {
    out_ += "0\r\n";
    for (const Header& trailer : trailers) {
      if (valid_header(trailer) && !is_framing_header(trailer.name)) append_header(out_, trailer.name, trailer.value);
    }
    out_ += "\r\n";
  }
  if (!writing_) flush();
}

void HttpConnection::abort() {
  if (answer_ == Answer::kFinished && !writing_) return;
  answer_ = Answer::kCut;
  close();
}

// An answer of the server's own, to a request that no handler sees. The connection ends with it.
void HttpConnection::refuse(int status, std::string_view why) {
  head_ = RequestHead{};
  recording_ = true;
  head_read_at_ = Clock::now();
  body_bytes_ = 0;
  bytes_out_ = why.size();
  answer_ = Answer::kFinished;
  keep_alive_ = false;
  body_done_ = false;
  begin_head(status, {});
  append_header(out_, "Content-Type", "text/plain; charset=utf-8");
  out_ += "Connection: close\r\nContent-Length: ";
  append_number(out_, why.size());
  out_ += "\r\n\r\n";
  out_ += why;
  end_request();
}

void HttpConnection::send_continue() {
  if (!expects_continue_ || answer_ != Answer::kNone) return;
  expects_continue_ = false;
  if (closed_) return;
  out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  if (!writing_) flush();
}

// Sends what is in out_, then `piece` and `suffix`, as far as the socket takes it now; keeps the rest for on_written().
void HttpConnection::send(std::string_view piece, std::string_view suffix) {
  if (closed_) return;
  if (writing_) {
    out_.append(piece).append(suffix);
    return;
  }
  const std::size_t total = out_.size() + piece.size() + suffix.size();
  if (total == 0) return;
  boost::system::error_code error;
  std::size_t sent = 0;
  if (total == out_.size()) {
    sent = socket_.write_some(asio::buffer(out_), error);  // send() costs the kernel less than sendmsg()
  } else {
    const std::array<asio::const_buffer, 3> parts{asio::buffer(out_), asio::buffer(piece.data(), piece.size()),
                                                  asio::buffer(suffix.data(), suffix.size())};
    sent = socket_.write_some(parts, error);
  }
  if (error && error != asio::error::would_block && error != asio::error::try_again) return write_failed();
  if (sent == total) {
    out_.clear();
    return;
  }
  sending_.clear();
  std::size_t skip = sent;
  for (const std::string_view part : {std::string_view(out_), piece, suffix}) {
    const std::size_t skipped = std::min(skip, part.size());
    sending_.append(part.substr(skipped));
    skip -= skipped;
  }
  out_.clear();
  write_rest();
}

void HttpConnection::flush_soon() {
  if (gathered_) return;
  gathered_ = true;
  shard_->gather(shared_from_this());
}

void HttpConnection::send_gathered() {
  gathered_ = false;
  if (closed_ || writing_) return;
  flush();
  if (drain_requested_ && !closed_ && !writing_) drain();
}

void HttpConnection::go_on() {
  if (!closed_ && !exchange_alive_ && !writing_) advance();
}

void HttpConnection::write_rest() {
  writing_ = true;
  sent_ = 0;
  arm_write(shard_->options().write_stall_timeout);
  socket_.async_write_some(asio::buffer(sending_),
                           [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                             self->on_written(error, bytes);
                           });
}

void HttpConnection::on_written(const boost::system::error_code& error, std::size_t bytes) {
  if (closed_) return;
  if (error) return write_failed();
  sent_ += bytes;
  if (sent_ < sending_.size()) {
    arm_write(shard_->options().write_stall_timeout);
    socket_.async_write_some(asio::buffer(sending_.data() + sent_, sending_.size() - sent_),
                             [self = shared_from_this()](const boost::system::error_code& failure, std::size_t more) {
                               self->on_written(failure, more);
                             });
    return;
  }
  writing_ = false;
  write_deadline_ = Clock::time_point::max();
  sending_.clear();
  if (sending_.capacity() > kKeptOutput) sending_.shrink_to_fit();
  if (!out_.empty()) {
    std::swap(sending_, out_);
    return write_rest();
  }
  if (auto done = std::exchange(write_done_, nullptr)) done({});
  if (!closed_ && !exchange_alive_) advance();
}

void HttpConnection::write_failed() {
  gone_ = true;
  if (answer_ == Answer::kFinished || answer_ == Answer::kStreaming) answer_ = Answer::kCut;
  close();
}

}  // namespace tandem::net
