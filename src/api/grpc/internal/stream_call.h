// One CallLocalStream of another sidecar: a request for an app of this process and its answer, both in pieces.
//
// The request becomes an exchange without a socket on a worker of the caller's choice; from then on all state is that
// worker's. Nothing is read ahead of the app, but for the first piece of a body that comes with a GET, say. What it
// answers waits for the peer, but for one thing: a daprd reads nothing before it has sent all of its request, so until
// then the answer is kept, up to a limit. Lives until gRPC is done with it and the app has let go of the exchange. A
// peer that leaves, and a server that ends, are CANCELLED: the app's read or write under way fails then.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/grpc/internal/peer_messages.h"
#include "base/call_context.h"
#include "base/executor.h"
#include "net/http.h"
#include "net/in_process.h"

namespace tandem::api::grpc {

// The app that is called, on one worker.
struct LocalApp {
  Executor& worker;
  net::Handler& handler;
  std::string authority;
  invoke::MethodIn method_in = invoke::MethodIn::kPath;
  // Of an answer, while its request is still coming.
  std::size_t max_kept_bytes = 0;
};

class StreamCall final
    : public ::grpc::ServerBidiReactor<peer::InternalInvokeRequestStream, peer::InternalInvokeResponseStream>,
      public std::enable_shared_from_this<StreamCall> {
 public:
  // `cancelled` counts the calls that ended so, and lives as long as the gRPC server.
  static std::shared_ptr<StreamCall> make(::grpc::CallbackServerContext& server, CallContext context, LocalApp app,
                                          std::atomic<std::size_t>& cancelled);
  void begin() { start_read(); }
  void finish(::grpc::Status status);

 private:
  class Body;
  class Sink;

  StreamCall(::grpc::CallbackServerContext& server, CallContext context, LocalApp app,
             std::atomic<std::size_t>& cancelled)
      : server_(server), context_(std::move(context)), app_(std::move(app)), cancelled_(cancelled) {}

  // On gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { const std::shared_ptr<StreamCall> last = std::move(self_); }
  void hand_over(bool ok);
  void hand_over(net::OwnedRequest http);
  void look_ahead(bool ok);

  // Whether the call is still on; then the operation is under way.
  bool start_read();
  bool start_write();

  // On the worker.
  void read(Completion<std::string_view> done);
  void arrived(bool ok);
  Result<std::string_view> take_payload();
  void answer(peer::InternalInvokeResponse head, std::string_view first, Completion<void> resume);
  void write(std::string_view piece, Completion<void> resume);
  void end(::grpc::Status status);
  void pump();
  void send_message();
  void written(bool ok);
  void give_up();

  ::grpc::CallbackServerContext& server_;
  CallContext context_;
  const LocalApp app_;
  std::atomic<std::size_t>& cancelled_;
  std::shared_ptr<StreamCall> self_;  // until OnDone()

  std::mutex mutex_;
  bool finished_ = false;  // guarded by mutex_: nothing is started any more
  std::atomic<bool> gone_ = false;

  bool handed_over_ = false;                       // of the first read; later ones are the worker's
  std::optional<net::OwnedRequest> without_body_;  // gRPC's: waits for the message behind the first, or for the end
  // gRPC's while a read is under way, else the worker's.
  peer::InternalInvokeRequestStream request_;
  bool has_payload_ = false;
  bool body_ended_ = false;
  std::uint64_t expected_seq_ = 0;
  std::optional<std::uint64_t> length_left_;  // of a body whose length was announced
  Completion<std::string_view> read_done_;
  std::string piece_;  // the one that was read last

  // gRPC's while a write is under way, else the worker's.
  peer::InternalInvokeResponseStream response_;
  bool writing_ = false;
  bool head_waits_ = false;
  std::uint64_t seq_ = 0;
  std::string unsent_;
  std::size_t sent_ = 0;  // of unsent_
  Completion<void> resume_;
  std::optional<::grpc::Status> ending_;
};

}  // namespace tandem::api::grpc
