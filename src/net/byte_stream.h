// A client's connection for a protocol of its own (Redis, say): bytes both ways, over TCP or TLS, on a worker's loop.
//
// Made, used and destroyed on the worker's thread, or destroyed after the workers have stopped. It starts to connect at
// once; the name is resolved and every address tried. The listener hears on_open() once, then bytes, and at the end
// on_closed() once, never from inside a call of the stream's. It may destroy the stream in each of them; a destroyed
// stream is closed and says nothing more. Failures name host:port: kUnavailable (no name, no connection, TLS, broken or
// closed by the peer), kDeadlineExceeded (one of the time-outs), kInvalidArgument (the target itself).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/tls_client.h"
#include "net/worker.h"

namespace tandem::net {

struct StreamTarget {
  std::string host;  // a name or an IP address, without brackets
  std::uint16_t port = 0;
  std::shared_ptr<const TlsClient> tls;             // null: plain TCP
  std::chrono::milliseconds connect_timeout{5000};  // name, connection and TLS together
  std::chrono::milliseconds write_timeout{0};       // for the next MiB to leave; zero: no limit

  // "host:port", "[::1]:6379".
  std::string name() const;
};

class ByteStream final {
 public:
  class Listener {
   public:
    virtual void on_open() = 0;
    // The view lives until the call returns.
    virtual void on_bytes(std::string_view bytes) = 0;
    virtual void on_closed(const Error& error) = 0;

   protected:
    ~Listener() = default;
  };

  // The listener outlives the stream.
  ByteStream(Worker& worker, StreamTarget target, Listener& listener);
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  ~ByteStream();

  // Sends the bytes together with everything else that is written in this turn of the loop. Before on_open() they wait
  // for it; after on_closed() they are lost.
  void write(std::string_view bytes);
  // What was written and has not left yet.
  std::size_t unsent() const;

  // From now on the stream is closed when nothing comes for so long. Zero: it may be silent for ever.
  void expect_bytes_within(std::chrono::milliseconds limit);

 private:
  class Core;
  const std::shared_ptr<Core> core_;
};

}  // namespace tandem::net
