#include "net/tls_client.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <exception>
#include <utility>

namespace tandem::net {
namespace {

namespace ssl = boost::asio::ssl;

Status use_certificate(ssl::context& context, const TlsClientOptions& options) {
  if (options.certificate_pem.empty() && options.key_pem.empty()) return {};
  if (options.certificate_pem.empty() || options.key_pem.empty()) {
    return fail(Code::kInvalidArgument, "a client certificate needs its key, and a key its certificate");
  }
  boost::system::error_code error;
  context.use_certificate_chain(boost::asio::buffer(options.certificate_pem), error);
  if (error) return fail(Code::kInvalidArgument, "the client certificate is not valid PEM: " + error.message());
  context.use_private_key(boost::asio::buffer(options.key_pem), ssl::context::pem, error);
  if (error) {
    return fail(Code::kInvalidArgument,
                "the client certificate's key is not valid PEM, or not this certificate's: " + error.message());
  }
  return {};
}

}  // namespace

TlsClient::TlsClient(std::unique_ptr<ssl::context> context, bool verifies)
    : context_(std::move(context)), verifies_(verifies) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<const TlsClient>> TlsClient::make(const TlsClientOptions& options) {
  try {
    auto context = std::make_unique<ssl::context>(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    const bool verifies = options.verify == TlsClientOptions::Verify::kPeer;
    context->set_verify_mode(verifies ? ssl::verify_peer : ssl::verify_none);
    boost::system::error_code error;
    context->set_default_verify_paths(error);
    if (!options.ca_pem.empty()) {
      context->add_certificate_authority(boost::asio::buffer(options.ca_pem), error);
      if (error) return fail(Code::kInvalidArgument, "the certificate authorities are not valid PEM");
    }
    if (Status status = use_certificate(*context, options); !status) return fail(std::move(status.error()));
    return std::shared_ptr<const TlsClient>(new TlsClient(std::move(context), verifies));
  } catch (const std::exception& error) {
    return fail(Code::kInternal, std::string("TLS cannot be set up: ") + error.what());
  }
}

}  // namespace tandem::net
