// For tests: a server that answers each connection with the bytes it is told to, plain or TLS, on a thread of its own;
// and a self-signed certificate.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tandem::net {

struct Certificate {
  std::string certificate_pem;
  std::string key_pem;
};

// For `name`, "DNS:localhost" or "IP:127.0.0.1"; valid now.
inline Certificate self_signed(const std::string& name) {
  const auto text = [](BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string copy(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return copy;
  };
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto* common = reinterpret_cast<const unsigned char*>("test");
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, common, -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name.c_str());
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_text, certificate);
  BIO* key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {text(certificate_text), text(key_text)};
}

// Connection i gets scripts[i]: each entry answers one request head; the connection closes after the last. An empty
// entry answers nothing and closes.
class ScriptedServer final {
 public:
  using Script = std::vector<std::string>;

  explicit ScriptedServer(std::vector<Script> scripts, std::shared_ptr<boost::asio::ssl::context> tls = nullptr)
      : acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}), tls_(std::move(tls)) {
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) {
        boost::system::error_code error;
        boost::asio::ip::tcp::socket socket(io_);
        acceptor_.accept(socket, error);
        if (error || stopping_) return;
        ++accepted_;
        if (tls_) {
          boost::asio::ssl::stream<boost::asio::ip::tcp::socket&> stream(socket, *tls_);
          stream.handshake(boost::asio::ssl::stream_base::server, error);
          if (error) continue;
          play(stream, script);
        } else {
          play(socket, script);
        }
      }
    });
  }
  ~ScriptedServer() {
    stopping_ = true;
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket wake(io);
    boost::system::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int accepted() const { return accepted_; }
  std::string requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }

 private:
  template <class Stream>
  void play(Stream& stream, const Script& script) {
    std::string input;
    for (const std::string& answer : script) {
      boost::system::error_code error;
      const std::size_t head = boost::asio::read_until(stream, boost::asio::dynamic_buffer(input), "\r\n\r\n", error);
      if (error) return;
      {
        const std::scoped_lock lock(mutex_);
        requests_ += input.substr(0, head);
      }
      input.erase(0, head);
      if (answer.empty()) return;
      boost::asio::write(stream, boost::asio::buffer(answer), error);
    }
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  const std::shared_ptr<boost::asio::ssl::context> tls_;
  std::atomic<int> accepted_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::string requests_;
  std::thread thread_;
};

}  // namespace tandem::net
