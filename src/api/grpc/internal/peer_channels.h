// The gRPC channels to other sidecars: one an address, shared by all workers, closed when it has been idle.
//
// Owned by RemoteApps. Any thread. A channel connects by itself when it is used; one that fails is dropped by its user,
// so that the next call begins with a new connection and not with the old one's back-off. The last of a channel waits
// for gRPC's threads, so it must not end on one of them: what is dropped is kept here until nobody else has it, and
// goes inside a later get(), which is called on workers and holds no lock then, or with this.
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::api::grpc {

using PeerChannel = std::shared_ptr<::grpc::Channel>;

class PeerChannels final {
 public:
  // daprd's own: three minutes.
  static constexpr std::chrono::minutes kIdle{3};

  explicit PeerChannels(std::size_t max_message_bytes, std::chrono::steady_clock::duration idle = kIdle)
      : max_message_bytes_(max_message_bytes), idle_(idle) {}

  // "host:port", as name resolvers give it.
  PeerChannel get(const std::string& address);
  void drop(std::string_view address, const PeerChannel& channel);
  std::size_t size() const;

 private:
  struct Entry {
    PeerChannel channel;
    std::chrono::steady_clock::time_point used;
  };

  PeerChannel connect(const std::string& address) const;
  // What nobody else has any more, for the caller to destroy when it no longer holds the mutex.
  std::vector<PeerChannel> take_unused(std::string_view wanted);

  const std::size_t max_message_bytes_;
  const std::chrono::steady_clock::duration idle_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<PeerChannel> dropped_;
};

// The address as gRPC's resolvers take it: an IP address needs no look-up.
std::string target_of(std::string_view address);

}  // namespace tandem::api::grpc
