#include "api/http/forwarded_exchange.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/http/reply.h"
#include "api/http/sniffed_type.h"

namespace tandem::api::http {
namespace {

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view other) { return net::equals_ignoring_case(name, other); });
}

// RFC 9110, 7.6.1: they mean one connection.
bool is_hop_by_hop(std::string_view name) {
  constexpr std::array<std::string_view, 9> kNames = {
      "connection", "keep-alive",        "proxy-connection", "proxy-authenticate", "proxy-authorization", "te",
      "trailer",    "transfer-encoding", "upgrade"};
  return is_one_of(name, kNames);
}

// Who calls whom is ours to say.
bool is_dapr_routing(std::string_view name) {
  constexpr std::array<std::string_view, 4> kNames = {"dapr-app-id", "dapr-caller-app-id", "dapr-callee-app-id",
                                                      "dapr-caller-namespace"};
  return is_one_of(name, kNames);
}

// The callee's own host and the call's own span take their place.
bool is_replaced(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames = {"host", "traceparent", "tracestate"};
  return is_one_of(name, kNames);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The headers that Connection names.
std::vector<std::string_view> connection_options(net::Headers headers) {
  std::vector<std::string_view> names;
  for (const net::Header& header : headers) {
    if (!net::equals_ignoring_case(header.name, "connection")) continue;
    for (std::string_view left = header.value; !left.empty();) {
      const std::size_t comma = left.find(',');
      if (const auto name = trim(left.substr(0, comma)); !name.empty()) names.push_back(name);
      left = comma == std::string_view::npos ? std::string_view() : left.substr(comma + 1);
    }
  }
  return names;
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
  const std::vector<std::string_view> options = connection_options(received);
  headers_.reserve(received.size() + 5);
  for (const net::Header& header : received) {
    const bool dropped =
        is_hop_by_hop(header.name) || is_dapr_routing(header.name) || is_replaced(header.name) ||
        is_one_of(header.name, options) ||
        (call_.api_token == ForwardedCall::ApiToken::kDrop && net::equals_ignoring_case(header.name, "dapr-api-token"));
    if (!dropped) headers_.push_back(header);
  }
  headers_.push_back({"dapr-caller-app-id", call_.caller_app_id});
  headers_.push_back({"dapr-callee-app-id", call_.callee_app_id});
  if (!call_.caller_namespace.empty()) headers_.push_back({"dapr-caller-namespace", call_.caller_namespace});
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
