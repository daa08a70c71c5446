#include "api/http/forwarded_exchange.h"

#include <array>
#include <utility>

#include "api/http/reply.h"
#include "api/http/sniffed_type.h"
#include "blocks/invoke/caller_headers.h"
#include "net/hop_headers.h"

namespace tandem::api::http {
namespace {

// The callee's own host and the call's own span take their place.
bool is_replaced(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames = {"host", "traceparent", "tracestate"};
  return net::is_one_of(name, kNames);
}

// A copy with this content type in the place of any other.
std::vector<net::Header> with_type(net::Headers headers, std::string_view type) {
  std::vector<net::Header> all;
  all.reserve(headers.size() + 1);
  for (const net::Header& header : headers) {
    if (!net::equals_ignoring_case(header.name, "content-type")) all.push_back(header);
  }
  all.push_back({"Content-Type", type});
  return all;
}

}  // namespace

ForwardedExchange::ForwardedExchange(std::unique_ptr<net::Exchange> inner, ForwardedCall call)
    : inner_(std::move(inner)),
      call_(std::move(call)),
      trace_(inner_->context().trace),
      head_(inner_->head()),
      body_(*inner_, call_.max_body_bytes) {
  const net::Headers received = inner_->head().headers;
  const net::HopHeaders hop(received);
  headers_.reserve(received.size() + 5);
  for (const net::Header& header : received) {
    const bool dropped =
        hop.contains(header.name) || invoke::says_who_calls(header.name) || is_replaced(header.name) ||
        (call_.api_token == ForwardedCall::ApiToken::kDrop && net::equals_ignoring_case(header.name, "dapr-api-token"));
    if (!dropped) headers_.push_back(header);
  }
  headers_.push_back({invoke::kCallerAppId, call_.caller_app_id});
  headers_.push_back({invoke::kCalleeAppId, call_.callee_app_id});
  if (!call_.caller_namespace.empty()) headers_.push_back({invoke::kCallerNamespace, call_.caller_namespace});
  if (!trace_.traceparent.empty()) headers_.push_back({"traceparent", trace_.traceparent});
  if (!trace_.tracestate.empty()) headers_.push_back({"tracestate", trace_.tracestate});
  head_.method = call_.method;
  head_.target = call_.target;
  head_.authority = call_.authority;
  head_.headers = headers_;
}

std::string_view ForwardedExchange::missing_type(int status, net::Headers headers, std::string_view first_piece) const {
  const auto has = [&](std::string_view name) {
    const auto value = net::find_header(headers, name);
    return value && !value->empty();
  };
  if (has("content-type")) return {};
  // A body of unknown length cannot be sent again: daprd then passes on whatever the app answers.
  const bool streams = net::find_header(inner_->head().headers, "transfer-encoding").has_value();
  if ((status < 200 || status > 399) && !streams) return "application/json";
  return first_piece.empty() || has("content-encoding") ? std::string_view() : sniffed_type(first_piece);
}

void ForwardedExchange::respond(int status, net::Headers headers, std::string_view body) {
  const std::string_view type = missing_type(status, headers, body);
  if (type.empty()) return inner_->respond(status, headers, body);
  inner_->respond(status, with_type(headers, type), body);
}

void ForwardedExchange::start(int status, net::Headers headers) {
  const auto type = net::find_header(headers, "content-type");
  if (type && !type->empty()) return inner_->start(status, headers);
  HeldHead held{.status = status, .headers = {}};
  held.headers.reserve(headers.size());
  for (const net::Header& header : headers)
    held.headers.push_back({std::string(header.name), std::string(header.value)});
  held_ = std::move(held);
}

void ForwardedExchange::start_held(std::string_view first_piece) {
  if (!held_) return;
  const HeldHead held = std::move(*held_);
  held_.reset();
  std::vector<net::Header> headers;
  headers.reserve(held.headers.size());
  for (const net::OwnedHeader& header : held.headers) headers.push_back({header.name, header.value});
  const std::string_view type = missing_type(held.status, headers, first_piece);
  inner_->start(held.status, type.empty() ? headers : with_type(headers, type));
}

void ForwardedExchange::write(std::string_view piece, Completion<void> done) {
  if (held_ && piece.empty()) return done({});
  start_held(piece);
  inner_->write(piece, std::move(done));
}

void ForwardedExchange::finish(net::Headers trailers) {
  start_held({});
  inner_->finish(trailers);
}

void ForwardedExchange::abort() {
  start_held({});
  inner_->abort();
}

void ForwardedExchange::refuse(const Error& error) {
  reply_error(*inner_, invoke_failed(error.code, call_.named, error.message),
              {.app_id = call_.caller_app_id, .component = call_.named});
}

void ForwardedExchange::LimitedBody::read(Completion<std::string_view> done) {
  if (over_) {
    done(fail(Code::kResourceExhausted, "stream too large"));
    return;
  }
  inner_.body().read([this, done = std::move(done)](Result<std::string_view> piece) mutable {
    if (piece && piece->size() > left_) {
      over_ = true;
      done(fail(Code::kResourceExhausted, "stream too large"));
      return;
    }
    if (piece) left_ -= piece->size();
    done(std::move(piece));
  });
}

std::optional<std::string_view> ForwardedExchange::LimitedBody::take_whole() {
  if (over_) return std::nullopt;
  const auto whole = inner_.body().take_whole();
  if (whole && whole->size() > left_) {
    // read() tells the callee why.
    over_ = true;
    return std::nullopt;
  }
  return whole;
}

}  // namespace tandem::api::http
