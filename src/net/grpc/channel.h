// A gRPC connection to one program, an app or a peer: made here so that all of them have the same limits.
//
// The library connects when the first call needs it, again when the connection is lost, and shares it between calls of
// all threads. Any thread; nothing here fails: a program that cannot be reached fails the calls with UNAVAILABLE.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace tandem::net::grpc {

struct ChannelOptions {
  std::string host = "127.0.0.1";  // a name or an address
  std::uint16_t port = 0;
  // The path of a Unix socket, in place of both; empty: none.
  std::string socket;
  // Of a message in either direction.
  std::size_t max_message_bytes = std::size_t{4} << 20;
  enum class Transport {
    kPlain,
    kTlsToWhoeverAnswers,  // whatever certificate it shows
  } transport = Transport::kPlain;
};

// HTTP/2, without the environment's proxies. Messages are not compressed, and compressed ones fail their call: a
// few bytes could unpack to any size.
std::shared_ptr<::grpc::Channel> make_channel(const ChannelOptions& options);

// "127.0.0.1:50051", "[::1]:50051"
std::string authority_of(const std::string& host, std::uint16_t port);

// Once a process, before the first server or channel. What the library prints for itself is of no use to a user: a
// failed call tells its caller. Abseil's search for deadlocks, which Debian's build has on, takes a lock of the process
// for each of the library's own.
void set_up_library();

}  // namespace tandem::net::grpc
