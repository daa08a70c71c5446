#include "net/grpc/server_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "net/grpc/call_text.h"

namespace tandem::net::grpc {
namespace {

constexpr Header kContentType{"content-type", "application/grpc"};
constexpr Header kAccepts{"grpc-accept-encoding", "gzip"};
constexpr Header kStatusOk{"grpc-status", "0"};

// Headers whose texts are made for them.
class HeaderList final {
 public:
  void add(Header header) { headers_.push_back(header); }
  void add(std::string_view name, std::string value) {
    texts_.push_back(std::make_unique<std::string>(std::move(value)));
    headers_.push_back({name, *texts_.back()});
  }
  void add(const MetadataPairs& pairs) {
    for (const auto& [key, value] : pairs) {
      if (key.ends_with("-bin")) {
        add(key, encode_binary(value));
      } else {
        add(Header{key, value});
      }
    }
  }
  void add(const ::grpc::Status& status) {
    add("grpc-status", fmt::format("{}", static_cast<int>(status.error_code())));
    if (!status.error_message().empty()) add("grpc-message", encode_message(status.error_message()));
    if (!status.error_details().empty()) add("grpc-status-details-bin", encode_binary(status.error_details()));
  }
  Headers list() const { return headers_; }

 private:
  std::vector<Header> headers_;
  std::vector<std::unique_ptr<std::string>> texts_;
};

void start(Exchange& exchange, const MetadataPairs& initial) {
  if (initial.empty()) {
    constexpr std::array<Header, 2> kHead = {kContentType, kAccepts};
    return exchange.start(200, kHead);
  }
  HeaderList headers;
  headers.add(kContentType);
  headers.add(kAccepts);
  headers.add(initial);
  exchange.start(200, headers.list());
}

}  // namespace

ServerCall::ServerCall(IncomingCall incoming)
    : worker_(*incoming.worker),
      rules_(*incoming.rules),
      exchange_(std::move(incoming.exchange)),
      deadline_(incoming.deadline),
      reader_(incoming.encoding, rules_.max_message_bytes) {
  if (rules_.ended) started_ = Clock::now();
}

ServerCall::~ServerCall() = default;

bool ServerCall::is_protocols_own(std::string_view key) {
  constexpr std::array<std::string_view, 5> kNames = {"te", "content-type", "grpc-timeout", "grpc-encoding",
                                                      "grpc-accept-encoding"};
  return std::ranges::find(kNames, key) != kNames.end();
}

std::optional<std::string> ServerCall::bytes_of(std::string_view value) { return decode_binary(value); }

std::optional<std::string_view> ServerCall::find(std::string_view key) const {
  for (const Header& header : exchange_->head().headers) {
    if (header.name == key) return header.value;
  }
  return std::nullopt;
}

// The client and the time.

void ServerCall::when_gone(Task task) {
  gone_ = std::move(task);
  exchange_->when_gone([this] { client_left(); });
  watch_time();
}

void ServerCall::client_left() {
  const auto last = close(::grpc::StatusCode::CANCELLED);
  if (Task task = std::exchange(gone_, nullptr)) task();
}

void ServerCall::watch_time() {
  SteadyTime next = read_done_ ? read_deadline_ : SteadyTime::max();
  if (gone_ || read_done_) next = std::min(next, deadline_);
  if (next != SteadyTime::max()) worker_.timeouts().arm(*this, next);
}

void ServerCall::on_timeout() {
  if (!exchange_) return;
  const Clock::time_point now = Clock::now();
  if (gone_ && now >= deadline_) {
    Task task = std::exchange(gone_, nullptr);
    finish({::grpc::StatusCode::DEADLINE_EXCEEDED, "context deadline exceeded"});
    return task();
  }
  if (read_done_ && now >= std::min(read_deadline_, deadline_)) {
    return deliver(fail(Code::kDeadlineExceeded,
                        now >= deadline_ ? "context deadline exceeded" : "the message takes too long to come"));
  }
  watch_time();
}

std::unique_ptr<Exchange> ServerCall::close(::grpc::StatusCode code) {
  if (rules_.ended) rules_.ended(*this, code, Clock::now() - started_);
  worker_.timeouts().disarm(*this);
  // What is still written may show that the client has left, which is nothing to this call any more.
  exchange_->when_gone(nullptr);
  return std::move(exchange_);
}

// Messages come.

void ServerCall::read(Completion<Message> done) { read_within(std::chrono::milliseconds::max(), std::move(done)); }

void ServerCall::read_within(std::chrono::milliseconds limit, Completion<Message> done) {
  auto message = reader_.next();
  if (!message || *message) return done(std::move(message));
  if (!all_read_) {
    if (const auto rest = exchange_->body().take_whole()) {
      all_read_ = true;
      reader_.use_last(*rest);
      message = reader_.next();
      if (!message || *message) return done(std::move(message));
    }
  }
  if (all_read_) {
    if (reader_.empty()) return done(Message());
    return done(fail(Code::kInternal, "unexpected EOF"));
  }
  read_done_ = std::move(done);
  read_deadline_ = limit == std::chrono::milliseconds::max() ? SteadyTime::max() : Clock::now() + limit;
  if (read_deadline_ != SteadyTime::max()) watch_time();
  read_more();
}

void ServerCall::read_more() {
  exchange_->body().read([this](Result<std::string_view> piece) { take_piece(std::move(piece)); });
}

void ServerCall::take_piece(Result<std::string_view> piece) {
  if (!read_done_) return;  // it took too long
  if (!piece) return deliver(fail(std::move(piece.error())));
  if (piece->empty()) {
    all_read_ = true;
    if (reader_.empty()) return deliver(Message());
    return deliver(fail(Code::kInternal, "unexpected EOF"));
  }
  reader_.add(*piece);
  auto message = reader_.next();
  if (!message || *message) return deliver(std::move(message));
  read_more();
}

void ServerCall::deliver(Result<Message> message) {
  read_deadline_ = SteadyTime::max();
  auto done = std::exchange(read_done_, nullptr);
  done(std::move(message));
}

// Messages go.

void ServerCall::send_head(const MetadataPairs& initial) {
  if (!std::exchange(head_sent_, true)) start(*exchange_, initial);
}

void ServerCall::write(std::string_view message, Completion<void> done) {
  send_head({});
  // As one: a write may show that the client has left, and end the call.
  std::string frame;
  frame.reserve(kFrameHead + message.size());
  append_frame(frame, message);
  exchange_->write(frame, std::move(done));
}

void ServerCall::finish(const ::grpc::Status& status, const AnswerMetadata& metadata, std::string_view frame) {
  const auto exchange = close(status.error_code());
  gone_ = nullptr;
  if (!head_sent_ && frame.empty() && metadata.initial.empty()) {
    HeaderList headers;
    headers.add(kContentType);
    headers.add(status);
    headers.add(metadata.trailing);
    return exchange->respond(200, headers.list(), {});
  }
  if (!head_sent_) start(*exchange, metadata.initial);
  if (!frame.empty()) exchange->write(frame, [](const Result<void>&) {});
  if (status.ok() && metadata.trailing.empty()) return exchange->finish({{kStatusOk}});
  HeaderList trailers;
  trailers.add(status);
  trailers.add(metadata.trailing);
  exchange->finish(trailers.list());
}

}  // namespace tandem::net::grpc
