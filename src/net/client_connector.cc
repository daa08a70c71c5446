#include "net/client_connector.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "net/client_request.h"

namespace tandem::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::chrono::seconds kLookupLimit{30};  // where the connection has no limit
constexpr unsigned char kOnlyHttp2[] = {2, 'h', '2'};

// "[::1]" is written for "::1" where a port may follow.
std::string_view without_brackets(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

bool speaks_http2(SSL* tls) {
  const unsigned char* chosen = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(tls, &chosen, &size);
  return size == 2 && chosen[0] == 'h' && chosen[1] == '2';
}

}  // namespace

ClientConnector::ClientConnector(std::shared_ptr<ClientPool> pool, const ClientRequest& request, Done done)
    : pool_(std::move(pool)),
      scheme_(request.scheme),
      host_(without_brackets(request.host)),
      port_(request.port),
      peer_(peer_of(request)),
      timeout_(request.connect_timeout),
      filter_(request.address_filter),
      protocol_(request.protocol),
      verify_(request.verify),
      done_(std::move(done)) {}

void ClientConnector::start() {
  Worker& worker = pool_->worker();
  const std::chrono::milliseconds limit = timeout_.count() > 0 ? timeout_ : kLookupLimit;
  worker.resolver().resolve(host_, limit, worker, [connector = weak_from_this()](Result<Addresses> found) {
    const auto self = connector.lock();
    if (!self || !self->done_) return;
    if (!found) return self->fail_with(found.error().code, found.error().message);
    self->resolved(*found);
  });
}

void ClientConnector::abandon() {
  done_ = nullptr;
  if (transport_) transport_->close();
}

void ClientConnector::fail_with(Code code, std::string message) {
  const auto self = shared_from_this();
  if (transport_) transport_->close();
  std::exchange(done_, nullptr)(fail(code, std::move(message)));
}

void ClientConnector::resolved(const Addresses& addresses) {
  std::string refused;
  for (const asio::ip::address& address : addresses) {
    std::string ip = plain_ip(address);
    if (!filter_ || filter_(ip, port_)) {
      endpoints_.emplace_back(address, port_);
    } else if (refused.empty()) {
      refused = std::move(ip);
    }
  }
  if (endpoints_.empty()) {
    return fail_with(Code::kPermissionDenied, "connecting to " + peer_ + " is not allowed (address " + refused + ")");
  }
  connect_to(0, {});
}

// What is said of a host that cannot be reached is what the address of first choice has said.
void ClientConnector::connect_to(std::size_t index, boost::system::error_code first) {
  transport_ = std::make_unique<ClientTransport>(pool_->worker().io());
  transport_->remote = endpoints_[index];
  transport_->socket.async_connect(
      endpoints_[index], [self = shared_from_this(), index, first](const boost::system::error_code& error) {
        if (!self->done_) return;
        if (!error) return self->handshake();
        const boost::system::error_code& told = index == 0 ? error : first;
        if (index + 1 < self->endpoints_.size()) return self->connect_to(index + 1, told);
        // In the words of Go's net.Dial, which daprd's clients have in their messages.
        self->fail_with(Code::kUnavailable, "dial tcp " + self->peer_ + ": connect: " + to_lower(told.message()));
      });
}

void ClientConnector::handshake() {
  boost::system::error_code ignored;
  transport_->socket.set_option(tcp::no_delay(true), ignored);
  if (scheme_ == "http") return connected();
  const Result<asio::ssl::context*> context = pool_->tls(verify_);
  if (!context) return fail_with(context.error().code, context.error().message);
  transport_->use_tls(**context);
  SSL* const tls = transport_->tls().native_handle();
  boost::system::error_code not_address;
  asio::ip::make_address(host_, not_address);
  if (not_address) SSL_set_tlsext_host_name(tls, host_.c_str());
  if (protocol_ == ClientProtocol::kHttp2) SSL_set_alpn_protos(tls, kOnlyHttp2, sizeof kOnlyHttp2);
  if (verify_ == ClientVerify::kPeer) {
    transport_->tls().set_verify_callback(asio::ssl::host_name_verification(host_), ignored);
  }
  transport_->tls().async_handshake(
      asio::ssl::stream_base::client, [self = shared_from_this()](const boost::system::error_code& error) {
        if (!self->done_) return;
        SSL* const used = self->transport_->tls().native_handle();
        if (error) {
          const long verdict = SSL_get_verify_result(used);
          std::string why = error.message();
          if (verdict != X509_V_OK && self->verify_ == ClientVerify::kPeer) {
            why = std::string("its certificate is refused: ") + X509_verify_cert_error_string(verdict);
          }
          return self->fail_with(Code::kUnavailable, "no TLS connection to " + self->peer_ + ": " + why);
        }
        if (self->protocol_ == ClientProtocol::kHttp2 && !speaks_http2(used)) {
          return self->fail_with(Code::kUnavailable, self->peer_ + " does not speak HTTP/2");
        }
        self->connected();
      });
}

void ClientConnector::connected() {
  const auto self = shared_from_this();
  std::exchange(done_, nullptr)(std::move(transport_));
}

}  // namespace tandem::net
