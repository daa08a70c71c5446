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

constexpr std::chrono::seconds kLookupLimit{30};  // where the connection has no limit

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
  const std::chrono::milliseconds limit =
      request_.connect_timeout.count() > 0 ? request_.connect_timeout : kLookupLimit;
  Worker& worker = pool_->worker();
  worker.resolver().resolve(without_brackets(request_.host), limit, worker,
                            [call = weak_from_this()](Result<Addresses> found) {
                              const auto self = call.lock();
                              if (!self || self->phase_ == Phase::kOver) return;
                              if (!found) return self->fail_with(found.error().code, found.error().message);
                              self->resolved(*found);
                            });
}

void ClientCall::resolved(const Addresses& addresses) {
  endpoints_.clear();
  std::string refused;
  for (const asio::ip::address& address : addresses) {
    std::string ip = plain_ip(address);
    if (!request_.address_filter || request_.address_filter(ip, request_.port)) {
      endpoints_.emplace_back(address, request_.port);
    } else if (refused.empty()) {
      refused = std::move(ip);
    }
  }
  if (endpoints_.empty()) {
    return fail_with(Code::kPermissionDenied, "connecting to " + peer() + " is not allowed (address " + refused + ")");
  }
  connect_to(0, {});
}

// What is said of a host that cannot be reached is what the address of first choice has said.
void ClientCall::connect_to(std::size_t index, boost::system::error_code first) {
  transport_ = std::make_unique<ClientTransport>(pool_->worker().io());
  transport_->remote = endpoints_[index];
  transport_->socket.async_connect(
      endpoints_[index], [self = shared_from_this(), index, first](const boost::system::error_code& error) {
        if (self->phase_ == Phase::kOver) return;
        if (!error) return self->handshake();
        const boost::system::error_code& told = index == 0 ? error : first;
        if (index + 1 < self->endpoints_.size()) return self->connect_to(index + 1, told);
        self->fail_with(Code::kUnavailable, "cannot connect to " + self->peer() + ": " + told.message());
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
  if (pool_->options().verify == ClientOptions::Verify::kPeer) {
    transport_->tls().set_verify_callback(asio::ssl::host_name_verification(host), ignored);
  }
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
