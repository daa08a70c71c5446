#include "app/external_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/text.h"
#include "net/hop_headers.h"

namespace tandem::app {
namespace {

constexpr std::chrono::seconds kConnectTimeout{30};  // as Go's client, which daprd calls its app with
constexpr std::chrono::milliseconds kLook{500};      // how often it is looked for a caller that has left
constexpr std::string_view kApiTokenHeader = "dapr-api-token";

// An answer's headers on their way to whoever called. A length is the connection's too: daprd counts anew.
std::vector<net::Header> answer_headers(net::Headers headers) {
  const net::HopHeaders hop(headers);
  std::vector<net::Header> kept;
  kept.reserve(headers.size());
  for (const net::Header& header : headers) {
    if (!hop.contains(header.name) && !net::equals_ignoring_case(header.name, "content-length")) {
      kept.push_back(header);
    }
  }
  return kept;
}

// Those that daprd passes on to an app that speaks HTTP.
bool is_verb(std::string_view method) {
  constexpr std::array<std::string_view, 8> kVerbs = {"GET",    "HEAD",    "POST",  "PUT",
                                                      "DELETE", "OPTIONS", "TRACE", "PATCH"};
  return std::ranges::find(kVerbs, method) != kVerbs.end();
}

// "Get", "Post": how Go's client begins its errors.
std::string capitalized(std::string_view method) {
  std::string text(method);
  for (std::size_t i = 1; i < text.size(); ++i) text[i] = to_lower(text[i]);
  return text;
}

}  // namespace

class ExternalCall::Sink final : public net::ResponseSink {
 public:
  explicit Sink(std::shared_ptr<ExternalCall> call) : call_(std::move(call)) {}
  // Also when the client gives the call up because the exchange takes no more.
  ~Sink() override { call_->end(); }

  bool on_whole(int status, net::Headers headers, std::string_view body) override {
    call_->answer_whole(status, headers, body);
    return true;
  }
  void on_head(int status, net::Headers headers) override { call_->answer_head(status, headers); }
  void on_body(std::string_view piece, Completion<void> resume) override {
    call_->answer_piece(piece, std::move(resume));
  }
  void on_end(net::Headers trailers) override { call_->answer_end(trailers); }
  void on_error(Error error) override { call_->answer_failed(error); }

 private:
  const std::shared_ptr<ExternalCall> call_;
};

class ExternalCall::Body final : public net::BodySource {
 public:
  explicit Body(std::shared_ptr<ExternalCall> call) : call_(std::move(call)) {}
  void read(Completion<std::string_view> done) override { call_->read_body(std::move(done)); }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }
  net::Headers trailers() const override { return call_->request_trailers(); }

 private:
  const std::shared_ptr<ExternalCall> call_;
};

ExternalCall::~ExternalCall() = default;

void ExternalCall::watch() {
  const SteadyTime look = std::chrono::steady_clock::now() + kLook;
  lane_.worker.timeouts().arm(*this, std::min(look, exchange_->context().deadline));
}

void ExternalCall::send(CallLimit::Slot slot) {
  if (!exchange_) return;
  slot_ = std::move(slot);
  if (exchange_->gone()) return end();
  if (overdue()) return lapse();
  if (!is_verb(exchange_->head().method)) return refuse("rpc error: code = InvalidArgument desc = invalid HTTP verb");
  const auto self = shared_from_this();
  net::ClientRequest out = request();
  net::ClientHandle handle = lane_.client.send(std::move(out), std::make_unique<Sink>(self));
  if (exchange_) handle_ = std::move(handle);
}

net::ClientRequest ExternalCall::request() {
  const net::RequestHead& head = exchange_->head();
  net::ClientRequest out;
  out.method = head.method;
  out.protocol = lane_.options.protocol;
  out.verify = net::ClientVerify::kNothing;
  out.scheme = lane_.options.scheme;
  out.host = lane_.options.host;
  out.port = lane_.options.port;
  out.target = head.target;
  const net::HopHeaders hop(head.headers);
  const std::string& token = lane_.options.api_token;
  out.headers.reserve(head.headers.size() + 1);
  for (const net::Header& header : head.headers) {
    const bool dropped = hop.contains(header.name) || net::equals_ignoring_case(header.name, "host") ||
                         (!token.empty() && net::equals_ignoring_case(header.name, kApiTokenHeader));
    if (!dropped) out.headers.push_back({std::string(header.name), std::string(header.value)});
  }
  if (!token.empty()) out.headers.push_back({std::string(kApiTokenHeader), token});
  if (const auto whole = exchange_->body().take_whole()) {
    out.body = std::string(*whole);
  } else {
    out.body = net::RequestBody(std::make_unique<Body>(shared_from_this()));
  }
  out.connect_timeout = kConnectTimeout;
  out.first_byte_timeout = lane_.options.request_timeout;
  out.between_bytes_timeout = lane_.options.request_timeout;
  return out;
}

void ExternalCall::read_body(Completion<std::string_view> done) {
  if (!exchange_) return done(fail(Code::kCancelled, "the call is over"));
  exchange_->body().read(std::move(done));
}

net::Headers ExternalCall::request_trailers() const {
  return exchange_ ? exchange_->body().trailers() : net::Headers();
}

void ExternalCall::answer_whole(int status, net::Headers headers, std::string_view body) {
  if (exchange_ && exchange_->head().method == "HEAD") {
    // As from daprd: no length, and not that of the body that is left out.
    exchange_->start(status, answer_headers(headers));
    exchange_->finish();
  } else if (exchange_) {
    exchange_->respond(status, answer_headers(headers), body);
  }
  end();
}

void ExternalCall::answer_head(int status, net::Headers headers) {
  if (!exchange_) return;
  answering_ = true;
  exchange_->start(status, answer_headers(headers));
}

void ExternalCall::answer_piece(std::string_view piece, Completion<void> resume) {
  if (!exchange_) return resume(fail(Code::kCancelled, "the call is over"));
  exchange_->write(piece, std::move(resume));
}

void ExternalCall::answer_end(net::Headers trailers) {
  if (exchange_) exchange_->finish(trailers);
  end();
}

void ExternalCall::answer_failed(const Error& error) {
  if (!exchange_) return;
  if (answering_) {
    exchange_->abort();
    return end();
  }
  refuse(fmt::format("{} \"{}\": {}", capitalized(exchange_->head().method), url(), error.message));
}

void ExternalCall::refuse(std::string_view cause) {
  if (!exchange_) return;
  exchange_->refuse(make_error(Code::kInternal, std::string(cause)));
  end();
}

bool ExternalCall::overdue() const { return exchange_->context().deadline <= std::chrono::steady_clock::now(); }

void ExternalCall::on_timeout() {
  if (exchange_->gone()) return cancel();
  if (overdue()) return lapse();
  watch();
}

void ExternalCall::lapse() {
  const auto self = shared_from_this();
  net::ClientHandle handle = std::move(handle_);
  answer_failed(make_error(Code::kDeadlineExceeded, "context deadline exceeded"));
  handle.cancel();
}

void ExternalCall::cancel() {
  const auto self = shared_from_this();
  net::ClientHandle handle = std::move(handle_);
  end();
  handle.cancel();
}

void ExternalCall::end() {
  if (!exchange_) return;
  const auto self = shared_from_this();
  lane_.worker.timeouts().disarm(*this);
  const std::unique_ptr<net::Exchange> gone = std::move(exchange_);
  const CallLimit::Slot slot = std::move(slot_);
  lane_.calls.erase(self);
  if (lane_.calls.empty() && lane_.idle) std::exchange(lane_.idle, nullptr)();
}

std::string ExternalCall::url() const {
  const ExternalOptions& options = lane_.options;
  return fmt::format("{}://{}:{}{}", options.scheme, options.host, options.port, exchange_->head().target);
}

}  // namespace tandem::app
