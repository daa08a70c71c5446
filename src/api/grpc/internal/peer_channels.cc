#include "api/grpc/internal/peer_channels.h"

#include <arpa/inet.h>
#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "net/grpc/channel.h"

namespace tandem::api::grpc {
namespace {

using std::chrono::milliseconds;

int in_ms(milliseconds time) { return static_cast<int>(time.count()); }

}  // namespace

std::string target_of(std::string_view address) {
  if (address.starts_with('[')) return "ipv6:" + std::string(address);
  const std::string host(address.substr(0, address.rfind(':')));
  in_addr ignored{};
  const bool is_ip = ::inet_pton(AF_INET, host.c_str(), &ignored) == 1;
  return (is_ip ? "ipv4:" : "dns:///") + std::string(address);
}

PeerChannel PeerChannels::connect(const std::string& address) const {
  net::grpc::set_up_library();
  ::grpc::ChannelArguments arguments;
  const int bytes = static_cast<int>(std::min<std::size_t>(max_message_bytes_, std::numeric_limits<int>::max()));
  arguments.SetMaxReceiveMessageSize(bytes);
  arguments.SetMaxSendMessageSize(bytes);
  // A peer that does not answer a ping is gone: the calls on this connection fail then, however long they may take.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, in_ms(std::chrono::seconds(10)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, in_ms(std::chrono::seconds(5)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, in_ms(std::chrono::seconds(5)));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, in_ms(std::chrono::seconds(5)));
  // A channel that is dropped takes its connection with it, and never goes by way of a proxy for the web.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return ::grpc::CreateCustomChannel(target_of(address), ::grpc::InsecureChannelCredentials(), arguments);
}

PeerChannel PeerChannels::get(const std::string& address) {
  std::vector<PeerChannel> unused;  // destroyed after the lock
  const std::scoped_lock lock(mutex_);
  unused = take_unused(address);
  Entry& entry = entries_[address];
  if (!entry.channel) entry.channel = connect(address);
  entry.used = std::chrono::steady_clock::now();
  return entry.channel;
}

void PeerChannels::drop(std::string_view address, const PeerChannel& channel) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(address);
  if (found == entries_.end() || found->second.channel != channel) return;
  dropped_.push_back(std::move(found->second.channel));
  entries_.erase(found);
}

std::vector<PeerChannel> PeerChannels::take_unused(std::string_view wanted) {
  std::vector<PeerChannel> unused;
  // A moved one is null and goes.
  for (PeerChannel& one : dropped_) {
    if (one.use_count() == 1) unused.push_back(std::move(one));
  }
  std::erase(dropped_, nullptr);
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(entries_, [&](auto& one) {
    auto& [address, entry] = one;
    if (address == wanted || entry.channel.use_count() != 1 || now - entry.used <= idle_) return false;
    unused.push_back(std::move(entry.channel));
    return true;
  });
  return unused;
}

std::size_t PeerChannels::size() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

}  // namespace tandem::api::grpc
