// How a ClientCall gets its connection: a kept one, or name, address filter, connect and TLS.

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <utility>

#include "net/client_call.h"
#include "net/http_head.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// "[::1]" is written for "::1" where a port may follow.
std::string_view without_brackets(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

Status ClientCall::check() const {
  if (request_.scheme != "http" && request_.scheme != "https") {
    return fail(Code::kInvalidArgument,
                "cannot send to \"" + request_.scheme + "://\": only http and https are supported");
  }
  if (request_.host.empty()) return fail(Code::kInvalidArgument, "cannot send a request without a host");
  for (const char c : request_.host) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '@' || c == '\x7f') {
      return fail(Code::kInvalidArgument, "the host of the request is not valid");
    }
  }
  if (!valid_token(request_.method)) return fail(Code::kInvalidArgument, "the method of the request is not valid");
  if (request_.target.empty() || (request_.target.front() != '/' && request_.target != "*")) {
    return fail(Code::kInvalidArgument, "the target of the request to " + peer() + " is not a path");
  }
  for (const char c : request_.target) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
      return fail(Code::kInvalidArgument, "the target of the request to " + peer() + " is not valid");
    }
  }
  for (const OwnedHeader& header : request_.headers) {
    if (!valid_header({header.name, header.value})) {
      return fail(Code::kInvalidArgument, "a header of the request to " + peer() + " is not valid");
    }
  }
  return {};
}

void ClientCall::connect() {
  arm(request_.connect_timeout);
  boost::system::error_code error;
  const std::string host(without_brackets(request_.host));
  const auto address = asio::ip::make_address(host, error);
  if (!error) return resolved({Endpoint(address, request_.port)});
  resolver_.emplace(pool_->worker().io());
  resolver_->async_resolve(
      host, std::to_string(request_.port), tcp::resolver::numeric_service,
      [self = shared_from_this()](const boost::system::error_code& failure, const tcp::resolver::results_type& found) {
        if (self->phase_ == Phase::kOver) return;
        if (failure) {
          return self->fail_with(Code::kUnavailable, "cannot resolve " + self->peer() + ": " + failure.message());
        }
        std::vector<Endpoint> endpoints;
        for (const auto& entry : found) endpoints.push_back(entry.endpoint());
        self->resolved(std::move(endpoints));
      });
}

void ClientCall::resolved(std::vector<Endpoint> endpoints) {
  endpoints_.clear();
  std::string refused;
  for (Endpoint& endpoint : endpoints) {
    std::string ip = plain_ip(endpoint.address());
    if (!request_.address_filter || request_.address_filter(ip, endpoint.port())) {
      endpoints_.push_back(endpoint);
    } else if (refused.empty()) {
      refused = std::move(ip);
    }
  }
  if (endpoints_.empty()) {
    return fail_with(Code::kPermissionDenied, "connecting to " + peer() + " is not allowed (address " + refused + ")");
  }
  connect_to(0);
}

void ClientCall::connect_to(std::size_t index) {
  transport_ = std::make_unique<ClientTransport>(pool_->worker().io());
  transport_->remote = endpoints_[index];
  transport_->socket.async_connect(
      endpoints_[index], [self = shared_from_this(), index](const boost::system::error_code& error) {
        if (self->phase_ == Phase::kOver) return;
        if (!error) return self->handshake();
        if (index + 1 < self->endpoints_.size()) return self->connect_to(index + 1);
        self->fail_with(Code::kUnavailable, "cannot connect to " + self->peer() + ": " + error.message());
      });
}

void ClientCall::handshake() {
  boost::system::error_code ignored;
  transport_->socket.set_option(tcp::no_delay(true), ignored);
  if (request_.scheme == "http") return connected();
  const Result<asio::ssl::context*> context = pool_->tls();
  if (!context) return fail_with(context.error().code, context.error().message);
  const std::string host(without_brackets(request_.host));
  transport_->use_tls(**context);
  boost::system::error_code not_address;
  asio::ip::make_address(host, not_address);
  if (not_address) SSL_set_tlsext_host_name(transport_->tls().native_handle(), host.c_str());
  transport_->tls().set_verify_callback(asio::ssl::host_name_verification(host), ignored);
  transport_->tls().async_handshake(
      asio::ssl::stream_base::client, [self = shared_from_this()](const boost::system::error_code& error) {
        if (self->phase_ == Phase::kOver) return;
        if (!error) return self->connected();
        const long verdict = SSL_get_verify_result(self->transport_->tls().native_handle());
        std::string why = error.message();
        if (verdict != X509_V_OK)
          why = std::string("its certificate is refused: ") + X509_verify_cert_error_string(verdict);
        self->fail_with(Code::kUnavailable, "no TLS connection to " + self->peer() + ": " + why);
      });
}

void ClientCall::connected() {
  reused_ = false;
  send_request();
}

}  // namespace tandem::net
