// What a shard knows of one of its connections, whatever it speaks: HTTP/1.1 (http_connection.h) or HTTP/2
// (http2_connection.h).
//
// Kept alive by its shard while it is open. The shard's worker only; nothing here fails.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>

namespace tandem::net {

// TCP or a Unix domain socket.
using ServerSocket = boost::asio::generic::stream_protocol::socket;

class ServerConnection {
 public:
  virtual ~ServerConnection() = default;

  // Closes now when no request is in flight, else after those that are.
  virtual void drain() = 0;
  // A request that was handed over has no answer yet, or its answer has not left.
  virtual bool under_way() const = 0;
  // Closes now. Pending reads and writes fail with kCancelled.
  virtual void close() = 0;

  // After ServerShard::gather(): sends what it has; and when all that were gathered have, goes on reading.
  virtual void send_gathered() = 0;
  virtual void go_on() = 0;

  // Where the shard keeps it.
  std::size_t index = 0;
};

}  // namespace tandem::net
