// One CallLocalStream of another sidecar: a request for an app of this process and its answer, both in pieces.
//
// The request becomes an exchange without a socket on a worker of the caller's choice; from then on all state is that
// worker's, and what comes on the worker of the connection is posted there. Nothing is read ahead of the app, but for
// the first piece of a body that comes with a GET, say. What it answers waits for the peer, but for one thing: a daprd
// reads nothing before it has sent all of its request, so until then the answer is kept, up to a limit. Lives until the
// call has ended and the app has let go of the exchange. A peer that leaves, and a server that ends, are CANCELLED: the
// app's read or write under way fails then.
#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/grpc/internal/peer_messages.h"
#include "base/call_context.h"
#include "base/executor.h"
#include "net/grpc/server_stream.h"
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

class StreamCall final : public net::grpc::ServerStream {
 public:
  // `cancelled` counts the calls that ended so, and lives as long as the server.
  static void serve(net::grpc::IncomingCall call, LocalApp app, std::atomic<std::size_t>& cancelled);

 private:
  class Body;
  class Sink;

  StreamCall(net::grpc::IncomingCall call, LocalApp app, std::atomic<std::size_t>& cancelled);
  std::shared_ptr<StreamCall> shared() { return std::static_pointer_cast<StreamCall>(shared_from_this()); }

  // On the connection's worker.
  void on_read(std::optional<std::string_view> message) override;
  void on_written(bool ok) override;
  void on_gone() override;
  void hand_over(bool ok);
  void hand_over(net::OwnedRequest http);
  void look_ahead(bool ok);

  // Whether the call is still on; then the operation is under way.
  bool begin_read();
  bool begin_write();
  void conclude(::grpc::Status status);

  // On the app's worker.
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

  CallContext context_;
  const LocalApp app_;
  std::atomic<std::size_t>& cancelled_;

  std::mutex mutex_;
  bool finished_ = false;  // guarded by mutex_: nothing is started any more
  std::atomic<bool> gone_ = false;

  bool handed_over_ = false;  // of the first read; later ones are the app's worker's
  std::optional<net::OwnedRequest>
      without_body_;  // the connection's: waits for the message behind the first, or for the end
  // The connection's worker's while a read is under way, else the app's worker's.
  peer::InternalInvokeRequestStream request_;
  bool has_payload_ = false;
  bool body_ended_ = false;
  std::uint64_t expected_seq_ = 0;
  std::optional<std::uint64_t> length_left_;  // of a body whose length was announced
  Completion<std::string_view> read_done_;
  std::string piece_;  // the one that was read last

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
