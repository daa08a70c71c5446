// What a client needs to know to speak TLS, checked once and shared by all of its connections.
//
// Whoever connects owns a share of it. Constant after make(); any thread. make() fails with kInvalidArgument and says
// which of the texts is not PEM, or does not fit the other.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace tandem::net {

struct TlsClientOptions {
  enum class Verify { kPeer, kNothing };
  // kPeer: the certificate must be valid for the name or address that is connected to.
  Verify verify = Verify::kPeer;
  std::string ca_pem;           // authorities that are trusted besides the system's
  std::string certificate_pem;  // the client's own, with the chain; both or none
  std::string key_pem;
};

class TlsClient final {
 public:
  // At least TLS 1.2. The system's authorities are OpenSSL's: SSL_CERT_FILE and SSL_CERT_DIR name others.
  static Result<std::shared_ptr<const TlsClient>> make(const TlsClientOptions& options);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient();

  // For the rest of net/.
  boost::asio::ssl::context& context() const { return *context_; }
  bool verifies() const { return verifies_; }

 private:
  TlsClient(std::unique_ptr<boost::asio::ssl::context> context, bool verifies);

  const std::unique_ptr<boost::asio::ssl::context> context_;
  const bool verifies_;
};

}  // namespace tandem::net
