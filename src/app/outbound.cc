#include "app/outbound.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/number.h"
#include "net/in_process.h"

namespace tandem::app {
namespace {

constexpr std::uint16_t kDaprDefaultPort = 3500;
constexpr std::string_view kApiTokenHeader = "dapr-api-token";

struct Authority {
  std::string_view host;
  std::uint16_t port = 0;
};

// "host", "host:port", "[::1]:port". False when it is none of them.
bool split_authority(std::string_view text, std::string_view scheme, Authority& out) {
  out.port = scheme == "https" ? 443 : 80;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    out.host = text.substr(1, end - 1);
    std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return false;
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return false;
  } else {
    const std::size_t colon = text.rfind(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = text.substr(colon + 1);
      if (port.empty() || out.host.contains(':')) return false;
    }
  }
  if (port.empty()) return !out.host.empty();
  const std::optional<std::uint16_t> number = parse_number<std::uint16_t>(port);
  if (number) out.port = *number;
  return number && !out.host.empty();
}

bool is_loopback_name(std::string_view host) {
  return net::equals_ignoring_case(host, "localhost") || host == "127.0.0.1" || host == "::1";
}

std::chrono::milliseconds to_ms(std::uint64_t ns) { return std::chrono::milliseconds(ns / 1'000'000); }

int http_error_of(const Error& error) {
  switch (error.code) {
    case Code::kPermissionDenied: return TDM_HTTP_REQUEST_DENIED;
    case Code::kDeadlineExceeded: return TDM_HTTP_RESPONSE_TIMEOUT;
    case Code::kUnavailable: return TDM_HTTP_CONNECTION_TERMINATED;
    case Code::kNotFound: return TDM_HTTP_DNS_ERROR;
    case Code::kInvalidArgument: return TDM_HTTP_PROTOCOL_ERROR;
    case Code::kUnauthenticated: return TDM_HTTP_TLS_CERTIFICATE_ERROR;
    default: return TDM_HTTP_INTERNAL_ERROR;
  }
}

}  // namespace

// One outgoing request: what the guest's side, the sink of its answer and the source of its body share.
class OutboundCall final : public std::enable_shared_from_this<OutboundCall> {
 public:
  explicit OutboundCall(tdm_exchange* exchange) : exchange_(exchange) { tdm_exchange_set_user(exchange, this); }
  ~OutboundCall() { tdm_exchange_release(exchange_); }
  OutboundCall(const OutboundCall&) = delete;
  OutboundCall& operator=(const OutboundCall&) = delete;

  static OutboundCall& of(tdm_exchange* exchange) {
    return *static_cast<OutboundCall*>(tdm_exchange_get_user(exchange));
  }

  tdm_exchange* exchange() const { return exchange_; }
  // The guest's hold, until cancel().
  void hold() { self_ = shared_from_this(); }
  void set_request(net::ClientHandle handle) { request_ = std::move(handle); }

  void cancel() {
    const std::shared_ptr<OutboundCall> keep = std::move(self_);
    cancelled_ = true;
    request_.cancel();
    if (resume_) std::exchange(resume_, nullptr)(fail(Code::kCancelled, "the guest wants no more of the answer"));
  }

  // ---- the answer ----
  void respond(int status, net::Headers headers) {
    std::vector<tdm_header> fields;
    fields.reserve(headers.size());
    for (const net::Header& header : headers) fields.push_back({engine::span(header.name), engine::span(header.value)});
    tdm_exchange_respond(exchange_, static_cast<std::uint16_t>(status), fields.data(), fields.size());
  }
  void answer_piece(std::string_view piece, Completion<void> resume) {
    if (cancelled_) return resume(fail(Code::kCancelled, "the guest wants no more of the answer"));
    resume_ = std::move(resume);
    tdm_exchange_body(exchange_, engine::span(piece));
  }
  void answer_end(net::Headers trailers) {
    std::vector<tdm_header> fields;
    for (const net::Header& header : trailers)
      fields.push_back({engine::span(header.name), engine::span(header.value)});
    tdm_exchange_body_end(exchange_, fields.data(), fields.size());
  }
  void answer_wanted() {
    if (resume_) std::exchange(resume_, nullptr)({});
  }

  // ---- the request's body ----
  void first_piece(std::string_view piece) { piece_ = piece; }
  void push(std::string_view piece) {
    piece_ = piece;
    deliver();
  }
  void end(bool complete, engine::Fields trailers) {
    for (const tdm_header& field : trailers) {
      trailers_.push_back({std::string(engine::view(field.name)), std::string(engine::view(field.value))});
    }
    for (const net::OwnedHeader& trailer : trailers_) trailer_views_.push_back({trailer.name, trailer.value});
    (complete ? ended_ : broken_) = true;
    deliver();
  }
  net::Headers trailers() const { return trailer_views_; }
  void read(Completion<std::string_view> done) {
    reader_ = std::move(done);
    if (std::exchange(delivered_, false)) {
      piece_.clear();
      tdm_exchange_drained(exchange_);
    }
    deliver();
  }

 private:
  void deliver() {
    if (!reader_ || delivered_) return;
    if (!piece_.empty()) {
      delivered_ = true;
      std::exchange(reader_, nullptr)(std::string_view(piece_));
    } else if (broken_ || (cancelled_ && !ended_)) {
      std::exchange(reader_, nullptr)(fail(Code::kCancelled, "the guest left its request unfinished"));
    } else if (ended_) {
      std::exchange(reader_, nullptr)(std::string_view());
    }
  }

  tdm_exchange* const exchange_;
  std::shared_ptr<OutboundCall> self_;
  net::ClientHandle request_;
  bool cancelled_ = false;
  Completion<void> resume_;
  Completion<std::string_view> reader_;
  std::string piece_;
  net::OwnedHeaders trailers_;
  std::vector<net::Header> trailer_views_;
  bool delivered_ = false;
  bool ended_ = false;
  bool broken_ = false;
};

namespace {

class GuestBody final : public net::BodySource {
 public:
  explicit GuestBody(std::shared_ptr<OutboundCall> call) : call_(std::move(call)) {}
  void read(Completion<std::string_view> done) override { call_->read(std::move(done)); }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }
  net::Headers trailers() const override { return call_->trailers(); }

 private:
  const std::shared_ptr<OutboundCall> call_;
};

class GuestSink final : public net::ResponseSink {
 public:
  explicit GuestSink(std::shared_ptr<OutboundCall> call) : call_(std::move(call)) {}

  bool on_whole(int status, net::Headers headers, std::string_view body) override {
    call_->respond(status, headers);
    if (!body.empty()) tdm_exchange_body(call_->exchange(), engine::span(body));
    call_->answer_end({});
    return true;
  }
  void on_head(int status, net::Headers headers) override { call_->respond(status, headers); }
  void on_body(std::string_view piece, Completion<void> resume) override {
    call_->answer_piece(piece, std::move(resume));
  }
  void on_end(net::Headers trailers) override { call_->answer_end(trailers); }
  void on_error(Error error) override {
    tdm_exchange_fail(call_->exchange(), http_error_of(error), engine::span(error.message));
  }

 private:
  const std::shared_ptr<OutboundCall> call_;
};

}  // namespace

bool Outbound::is_dapr(const tdm_request& request, std::string_view host, std::uint16_t port) const {
  if (!routes_.dapr_api) return false;
  if (is_loopback_name(host) && (port == routes_.dapr_http_port || port == kDaprDefaultPort)) return true;
  for (std::size_t i = 0; i < request.headers_count; ++i) {
    if (net::equals_ignoring_case(engine::view(request.headers[i].name), "dapr-app-id")) return true;
  }
  return false;
}

void Outbound::send(tdm_exchange* exchange, const tdm_request& request, const tdm_timeouts& timeouts,
                    const CallContext& context) {
  const auto call = std::make_shared<OutboundCall>(exchange);
  call->hold();
  const std::string_view scheme = engine::view(request.scheme);
  const auto refuse = [&](int code, std::string_view why) { tdm_exchange_fail(exchange, code, engine::span(why)); };
  if (scheme != "http" && scheme != "https") return refuse(TDM_HTTP_URI_INVALID, "only http and https can be called");
  Authority authority;
  if (!split_authority(engine::view(request.authority), scheme, authority)) {
    return refuse(TDM_HTTP_URI_INVALID, "the authority is not a host with an optional port");
  }

  net::OwnedHeaders headers;
  headers.reserve(request.headers_count + 1);
  bool traced = false;
  for (std::size_t i = 0; i < request.headers_count; ++i) {
    const std::string_view name = engine::view(request.headers[i].name);
    traced |= net::equals_ignoring_case(name, "traceparent");
    headers.push_back({std::string(name), std::string(engine::view(request.headers[i].value))});
  }
  if (!traced && !context.trace.traceparent.empty()) {
    headers.push_back({"traceparent", context.trace.traceparent});
    if (!context.trace.tracestate.empty()) headers.push_back({"tracestate", context.trace.tracestate});
  }

  net::RequestBody body;
  if (request.body_whole && request.trailers_count == 0) {
    body = std::string(engine::view(request.body));
  } else {
    call->first_piece(engine::view(request.body));
    if (request.body_whole) call->end(true, {request.trailers, request.trailers_count});
    body = std::make_unique<GuestBody>(call);
  }

  if (is_dapr(request, authority.host, authority.port)) {
    net::OwnedRequest owned;
    owned.method = engine::view(request.method);
    owned.authority = engine::view(request.authority);
    owned.target = engine::view(request.target);
    owned.headers = std::move(headers);
    const auto is_token = [](const net::OwnedHeader& header) {
      return net::equals_ignoring_case(header.name, kApiTokenHeader);
    };
    if (!routes_.dapr_api_token.empty() && std::ranges::none_of(owned.headers, is_token)) {
      owned.headers.push_back({std::string(kApiTokenHeader), routes_.dapr_api_token});
    }
    routes_.dapr_api->handle(
        net::make_in_process_exchange(std::move(owned), std::move(body), context, std::make_unique<GuestSink>(call)));
    return;
  }
  if (!routes_.client || !routes_.allowed->allows(scheme, authority.host, authority.port)) {
    return refuse(TDM_HTTP_REQUEST_DENIED, "the app does not allow this host: see allowedOutboundHosts");
  }
  net::ClientRequest out;
  out.method = engine::view(request.method);
  out.scheme = scheme;
  out.host = authority.host;
  out.port = authority.port;
  out.target = engine::view(request.target);
  out.headers = std::move(headers);
  out.body = std::move(body);
  if (timeouts.connect_ns > 0) out.connect_timeout = to_ms(timeouts.connect_ns);
  if (timeouts.first_byte_ns > 0) out.first_byte_timeout = to_ms(timeouts.first_byte_ns);
  if (timeouts.between_bytes_ns > 0) out.between_bytes_timeout = to_ms(timeouts.between_bytes_ns);
  out.address_filter = [allowed = routes_.allowed, scheme = std::string(scheme), host = std::string(authority.host)](
                           std::string_view ip, std::uint16_t port) {
    const auto address = config::IpAddress::parse(ip);
    return address && allowed->allows_address(scheme, host, port, *address);
  };
  call->set_request(routes_.client->send(std::move(out), std::make_unique<GuestSink>(call)));
}

void Outbound::body(tdm_exchange* exchange, std::string_view piece) { OutboundCall::of(exchange).push(piece); }
void Outbound::body_end(tdm_exchange* exchange, bool complete, engine::Fields trailers) {
  OutboundCall::of(exchange).end(complete, trailers);
}
void Outbound::want_body(tdm_exchange* exchange) { OutboundCall::of(exchange).answer_wanted(); }
void Outbound::cancel(tdm_exchange* exchange) { OutboundCall::of(exchange).cancel(); }

}  // namespace tandem::app
