// The HTTP client of one worker: outgoing requests of guests, calls to external apps, the HTTP binding.
//
// One for each worker, owned by whoever wires it, destroyed on its worker or after the workers have stopped. Everything
// runs on the worker's thread. Connections are kept alive per scheme, host and port; HTTP/2 shares one among all calls
// to them, and more when the peer takes no more streams. https verifies the certificate against the system's
// authorities and those of ClientOptions, unless the request says otherwise. A call that fails says so to its sink,
// naming host:port: kInvalidArgument (the request itself), kPermissionDenied (AddressFilter), kUnavailable (no name, no
// connection, TLS, the connection broke), kDeadlineExceeded (one of the three time-outs), kInternal (the answer is not
// valid HTTP).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/response_sink.h"
#include "net/tls_client.h"
#include "net/worker.h"

namespace tandem::net {

// Whether a connection to this resolved address is allowed. Asked before each connection is made or used again.
using AddressFilter = std::function<bool(std::string_view ip, std::uint16_t port)>;

// kHttp2: with prior knowledge for http, by ALPN for https; a peer that does not speak it is an error.
enum class ClientProtocol { kHttp1, kHttp2 };

// kNothing: https to whoever answers, whatever certificate it shows.
enum class ClientVerify { kPeer, kNothing };

struct ClientRequest {
  ClientProtocol protocol = ClientProtocol::kHttp1;
  ClientVerify verify = ClientVerify::kPeer;
  std::string method = "GET";
  std::string scheme = "http";  // or "https"
  std::string host;             // a name or an IP address
  std::uint16_t port = 0;       // 0: the scheme's
  std::string target = "/";
  // Host is added when it is missing. Headers about the connection are left out. For a streamed body a Content-Length
  // is kept (the body must have exactly that length); otherwise the body is chunked.
  OwnedHeaders headers;
  RequestBody body;
  // Zero: no limit.
  std::chrono::milliseconds connect_timeout{10'000};        // name, connection and TLS together
  std::chrono::milliseconds first_byte_timeout{60'000};     // from the last byte sent to the first one received
  std::chrono::milliseconds between_bytes_timeout{60'000};  // while the answer comes; not while its sink holds it back
  AddressFilter address_filter;                             // empty: every address
};

struct ClientOptions {
  std::size_t max_head_bytes = 64 * 1024;  // of an answer
  std::size_t max_headers = 256;
  std::size_t max_idle_per_host = 32;
  std::chrono::milliseconds idle_timeout{60'000};
  std::string ca_pem;  // authorities that are trusted besides the system's, in PEM
  // Takes the place of what is said about TLS above, where there is one.
  std::shared_ptr<const TlsClient> tls;
};

class PendingCall;
class ClientPool;

// A call in flight. May be dropped: that does not cancel it.
class ClientHandle final {
 public:
  ClientHandle() = default;
  explicit ClientHandle(std::weak_ptr<PendingCall> call) : call_(std::move(call)) {}
  // Ends the call: its connection is closed, its stream of HTTP/2 reset, and its sink is destroyed (after the callback
  // that it is in) and hears nothing more. Nothing happens when the call is over.
  void cancel();

 private:
  std::weak_ptr<PendingCall> call_;
};

class HttpClient final {
 public:
  explicit HttpClient(Worker& worker, ClientOptions options = {});
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  // Calls in flight fail with kCancelled.
  ~HttpClient();

  // A request whose kept connection turns out to be closed is sent once more on a new one when no byte of the answer
  // had come, its method is idempotent and its body is not streamed. Over HTTP/2 so is one that the peer says it has
  // not begun, whatever its method, unless a part of a streamed body has been taken.
  ClientHandle send(ClientRequest request, std::unique_ptr<ResponseSink> sink);

  // Connections that wait for the next request.
  std::size_t idle_connections() const;

 private:
  const std::shared_ptr<ClientPool> pool_;
};

}  // namespace tandem::net
