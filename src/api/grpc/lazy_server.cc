#include "api/grpc/lazy_server.h"

#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "net/socket_acceptor.h"

namespace tandem::api::grpc {
namespace {

using SyncOption = ::grpc::ServerBuilder::SyncServerOption;
using Acceptor = ::grpc::experimental::ExternalConnectionAcceptor;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kMetadataBytes = 64 * 1024;  // as the head of an HTTP request
constexpr int kCallsAConnection = 1000;    // at once; a client waits with more

constexpr milliseconds kClockSlack{20};  // of gRPC's timers

int in_ms(milliseconds time) { return static_cast<int>(time.count()); }

// daprd's own settings: who pings more than every 8 s is cut off, who is idle for 3 minutes is told to go.
void keep_alive(::grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, in_ms(seconds(8)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, in_ms(seconds(10)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, in_ms(seconds(5)));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, in_ms(minutes(3)));
}

// What one client can make the process hold. Compressed messages are refused: the library looks at the size of one only
// when it has been unpacked, and a small one can be gigabytes then.
void limit(::grpc::ServerBuilder& builder, std::size_t max_message_bytes) {
  const int bytes = static_cast<int>(std::min<std::size_t>(max_message_bytes, std::numeric_limits<int>::max()));
  builder.SetMaxReceiveMessageSize(bytes);
  builder.SetMaxSendMessageSize(bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsAConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, in_ms(seconds(10)));
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

}  // namespace

class LazyServer::Impl final {
 public:
  explicit Impl(ServedMethods methods) : methods_(std::move(methods)) {}

  ~Impl() {
    acceptor_.reset();
    if (draining_.joinable()) {
      draining_.join();
    } else if (server_) {
      server_->Shutdown(std::chrono::system_clock::now());
    }
  }

  Status listen(net::Worker& worker, const net::ListenOn& place) {
    auto acceptor = net::SocketAcceptor::listen(worker, place, [this](int socket) { take(socket); });
    if (!acceptor) return fail(std::move(acceptor.error()));
    acceptor_ = std::move(*acceptor);
    return {};
  }

  std::uint16_t port() const { return acceptor_->port(); }

  void stop_accepting() { acceptor_->close(); }

  void drain(milliseconds limit, std::move_only_function<void(Drained)> done) {
    acceptor_->close();
    if (draining_.joinable()) return;
    // Nobody accepts any more, so server_ stays what it is.
    if (!server_) return done(Drained::kFinished);
    draining_ = std::thread([this, limit, done = std::move(done)]() mutable {
      const std::size_t before = methods_.cancelled();
      const auto deadline = std::chrono::system_clock::now() + limit;
      server_->Shutdown(deadline);
      // A client that left while there was time was not cut off.
      const bool late = std::chrono::system_clock::now() + kClockSlack >= deadline;
      done(late && methods_.cancelled() != before ? Drained::kCut : Drained::kFinished);
    });
  }

 private:
  // On the worker.
  void take(int socket) {
    if (!server_ && !start()) {
      ::close(socket);
      return;
    }
    Acceptor::NewConnectionParameters parameters;
    parameters.fd = socket;
    connections_->HandleNewConnection(&parameters);
  }

  bool start() {
    net::grpc::set_up_library();
    // daprd tells clients like grpcurl what it serves. The plug-in is the process's, and its service a blocking one.
    static std::once_flag once;
    std::call_once(once, ::grpc::reflection::InitProtoReflectionServerBuilderPlugin);
    ::grpc::ServerBuilder builder;
    builder.RegisterService(methods_.service);
    if (methods_.others != nullptr) builder.RegisterCallbackGenericService(methods_.others);
    if (methods_.interceptor) {
      std::vector<std::unique_ptr<::grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
      interceptors.push_back(methods_.interceptor());
      builder.experimental().SetInterceptorCreators(std::move(interceptors));
    }
    limit(builder, methods_.max_message_bytes);
    keep_alive(builder);
    for (const auto option : {SyncOption::NUM_CQS, SyncOption::MIN_POLLERS, SyncOption::MAX_POLLERS}) {
      builder.SetSyncServerOption(option, 1);
    }
    connections_ = builder.experimental().AddExternalConnectionAcceptor(
        ::grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, ::grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    return server_ != nullptr;
  }

  const ServedMethods methods_;
  // Made on the worker, then left alone until nobody accepts any more.
  std::unique_ptr<Acceptor> connections_;
  std::unique_ptr<::grpc::Server> server_;
  std::unique_ptr<net::SocketAcceptor> acceptor_;
  std::thread draining_;
};

Result<std::unique_ptr<LazyServer>> LazyServer::listen(net::Worker& worker, const net::ListenOn& place,
                                                       ServedMethods methods) {
  auto impl = std::make_unique<Impl>(std::move(methods));
  if (Status listening = impl->listen(worker, place); !listening) return fail(std::move(listening.error()));
  return std::unique_ptr<LazyServer>(new LazyServer(std::move(impl)));
}

LazyServer::LazyServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LazyServer::~LazyServer() = default;
std::uint16_t LazyServer::port() const { return impl_->port(); }
void LazyServer::stop_accepting() { impl_->stop_accepting(); }

void LazyServer::drain(milliseconds limit, std::move_only_function<void(Drained)> done) {
  impl_->drain(limit, std::move(done));
}

}  // namespace tandem::api::grpc
