#include "api/http/forwarded_exchange.h"

#include <array>
#include <utility>

#include "api/http/reply.h"
#include "blocks/invoke/caller_headers.h"
#include "net/hop_headers.h"

namespace tandem::api::http {
namespace {

// The callee's own host and the call's own span take their place.
bool is_replaced(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames = {"host", "traceparent", "tracestate"};
  return net::is_one_of(name, kNames);
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
  head_.target = call_.target;
  head_.authority = call_.authority;
  head_.headers = headers_;
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
