#include "net/grpc/channel.h"

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpc/impl/codegen/compression_types.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>

namespace tandem::net::grpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMetadataBytes = 64 * 1024;  // as the head of an HTTP request
constexpr int kIdentityOnly = 1 << GRPC_COMPRESS_NONE;

// An app that is started again is found again within a second.
constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLastRetry{1000};
constexpr seconds kConnectTimeout{5};

int in_ms(milliseconds time) { return static_cast<int>(time.count()); }

std::shared_ptr<::grpc::ChannelCredentials> credentials_of(ChannelOptions::Transport transport) {
  if (transport == ChannelOptions::Transport::kPlain) return ::grpc::InsecureChannelCredentials();
  namespace tls = ::grpc::experimental;
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  return tls::TlsCredentials(options);
}

}  // namespace

std::shared_ptr<::grpc::Channel> make_channel(const ChannelOptions& options) {
  set_up_library();
  const int bytes = static_cast<int>(std::min<std::size_t>(options.max_message_bytes, std::numeric_limits<int>::max()));
  ::grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(bytes);
  arguments.SetMaxSendMessageSize(bytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytes);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, kIdentityOnly);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Channels of other apps to the same address have limits of their own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, in_ms(kFirstRetry));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, in_ms(kConnectTimeout));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, in_ms(kLastRetry));
  std::string target = "dns:///" + authority_of(options.host, options.port);
  if (!options.socket.empty()) {
    target = "unix:" + options.socket;
    // The library's own would be the path, which servers of other libraries take for no host.
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    // A connection ends when the program does, and not because nobody calls.
    arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, std::numeric_limits<int>::max());
  }
  return ::grpc::CreateCustomChannel(target, credentials_of(options.transport), arguments);
}

std::string authority_of(const std::string& host, std::uint16_t port) {
  const bool v6 = host.contains(':') && !host.starts_with('[');
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

void set_up_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args*) {});
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  });
}

}  // namespace tandem::net::grpc
