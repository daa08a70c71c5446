// The HTTP server, HTTP/1.1 and HTTP/2 in cleartext: listening sockets that all workers accept from, and a Handler a
// worker.
//
// Listening sockets without SO_REUSEPORT, so a second start on the same port fails. A new connection goes to the
// worker with the fewest. Owned by whoever wires the process, destroyed before the Workers and before the handlers.
// listen(), drain() and the destructor run on any one thread; handlers and observer run on the workers.
// listen() fails with one line that says what, where and what to do; a broken connection ends alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/completion.h"
#include "base/result.h"
#include "net/http.h"
#include "net/worker.h"

namespace tandem::net {

// What happened to one request, for metrics and access logs. Views are valid during the call.
struct RequestRecord {
  std::string_view method;
  std::string_view target;
  int status = 0;                        // 0: the client was cut off without an answer
  std::uint64_t bytes_in = 0;            // body, after decoding
  std::uint64_t bytes_out = 0;           // body, before encoding
  std::chrono::nanoseconds duration{0};  // from the end of the head to the end of the answer
};

// Called on the workers, several at once.
class ServerObserver {
 public:
  virtual ~ServerObserver() = default;
  virtual void connection_opened() noexcept {}
  virtual void connection_closed() noexcept {}
  virtual void request_finished(const RequestRecord&) noexcept {}
  // No connection could be accepted (out of file descriptors); accepting goes on a little later.
  virtual void accept_failed(const Error&) noexcept {}
};

// Whether HTTP/2 in cleartext (h2c) is spoken beside HTTP/1.1 on the same port: to a client that begins with its
// preface, and to one that asks for it with "Upgrade: h2c" in a request that has come with its whole body (RFC
// 7540, 3.2). Or it alone, to clients that begin with the preface: any other gets a 505.
enum class Http2 { kOff, kOn, kOnly };

// Whether the server adds Date, and Content-Length to what is answered as a whole, on HTTP/2.
enum class OwnHeaders { kAdded, kNone };

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address, or "localhost"
  // Listened on as well, at the same port. An address that this machine does not have, or a family, is left out as long
  // as another one is there.
  std::vector<std::string> more_addresses;
  std::uint16_t port = 0;  // 0: any free port, the same one for all addresses
  // A file name: listened on in place of the addresses, and port() is 0. Made with the permissions that the umask
  // leaves, removed when listening ends. What a server that is gone has left there is replaced.
  std::string unix_socket;
  std::string purpose = "HTTP";  // for errors: "the Dapr HTTP API"
  std::string hint;              // for errors: "choose another with --dapr-http-port"

  std::size_t max_head_bytes = 64 * 1024;       // over it: 431
  std::size_t max_headers = 256;                // over it: 431
  std::optional<std::uint64_t> max_body_bytes;  // over it: 413; unset: streamed without a limit
  std::size_t max_connections = 10000;          // over it: 503 and closed

  std::chrono::milliseconds head_timeout{10'000};  // from the first byte (or the connection) to the end of a head
  std::chrono::milliseconds idle_timeout{75'000};  // between requests
  // While a handler waits for body bytes; and for all of what a handler left unread, after its answer.
  std::chrono::milliseconds body_stall_timeout{60'000};
  // All waits for one body together, so that a byte now and then does not hold a handler for ever. Unset where bodies
  // may be streams without an end; else time_for_body().
  std::optional<std::chrono::milliseconds> body_timeout;
  std::chrono::milliseconds write_stall_timeout{60'000};  // while the client takes no bytes

  Http2 http2 = Http2::kOff;
  // Of HTTP/2 alone:
  std::size_t max_streams = 250;  // requests of one connection at once; a client waits with more
  OwnHeaders own_headers = OwnHeaders::kAdded;
  // A client from which nothing has come for so long is pinged, and cut off when nothing comes within `ping_timeout`
  // then. Unset: it is never asked.
  std::optional<std::chrono::milliseconds> ping_after;
  std::chrono::milliseconds ping_timeout{5'000};
  // A client that pings more often than this, and more than twice without an answer in between, is told to go as gRPC
  // has it: ENHANCE_YOUR_CALM, "too_many_pings". Unset: only floods are ended.
  std::optional<std::chrono::milliseconds> min_ping_interval;
  ServerObserver* observer = nullptr;  // outlives the server
};

// For a body of up to so many bytes: one minute, and what it takes at 64 KiB a second.
std::chrono::milliseconds time_for_body(std::uint64_t max_body_bytes);

// How a drain ended.
enum class Drained {
  kFinished,  // every request that had been begun was answered
  kCut,       // at least one was not, or its answer had not left
};

// The Handler of a worker; called once a worker inside listen(). The Handler outlives the server.
using HandlerFactory = std::function<Handler&(Worker&)>;

class ServerShard;
struct ServerShared;

class HttpServer final {
 public:
  // Workers may be started before or after.
  static Result<std::unique_ptr<HttpServer>> listen(Workers& workers, ServerOptions options, HandlerFactory factory);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Stops listening and cuts every connection, and waits until no worker uses this server. Exchanges that handlers
  // still hold stay valid. Not on a worker's thread, unless the workers are stopped.
  ~HttpServer();

  std::uint16_t port() const { return port_; }
  std::size_t connections() const;

  // Stops listening; the connections that are open go on. For a server whose place another one has taken at the same
  // sockets (held_sockets.h): drain() some time later, when those that have just connected have sent their requests.
  void stop_accepting();

  // Stops listening (new connections are refused), closes idle connections, lets requests in flight finish with
  // "Connection: close", cuts what is left after `limit`. `done` runs once, on a worker, when no connection is left;
  // the destructor counts as cutting. Only the first call counts.
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(Drained)> done);

 private:
  HttpServer(std::uint16_t port, std::shared_ptr<ServerShared> shared,
             std::vector<std::shared_ptr<ServerShard>> shards);

  const std::uint16_t port_;
  const std::shared_ptr<ServerShared> shared_;
  const std::vector<std::shared_ptr<ServerShard>> shards_;
};

}  // namespace tandem::net
