// A CallLocalStream to another sidecar as a worker uses it: what gRPC's threads report is brought to the worker.
//
// Made and used on one worker. One read and one write at a time. The listener hears of each; and of the end, once,
// after close(). It may go at any time: it is told by a weak pointer. PeerStream itself lives until gRPC is done with
// it, which `counter` counts; whoever owns the worker waits for that. It ends on the worker or after it, never on a
// thread of gRPC's: the last of a channel waits for those.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/internal/peer_channels.h"
#include "api/grpc/internal/peer_messages.h"
#include "base/call_context.h"
#include "base/executor.h"
#include "dapr/proto/internals/v1/service_invocation.grpc.pb.h"
#include "net/grpc/call_counter.h"

namespace tandem::api::grpc {

using net::grpc::CallCounter;

class PeerStream final
    : public ::grpc::ClientBidiReactor<peer::InternalInvokeRequestStream, peer::InternalInvokeResponseStream> {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // On the worker. False: there is nothing more to be read, or written.
    virtual void on_read(PeerStream& stream, bool ok) = 0;
    virtual void on_written(PeerStream& stream, bool ok) = 0;
    virtual void on_done(PeerStream& stream, const ::grpc::Status& status) = 0;
  };

  // The call is under way; its first read is, too.
  static std::shared_ptr<PeerStream> start(PeerChannel channel, const CallContext& context, Executor& worker,
                                           std::weak_ptr<Listener> listener, std::shared_ptr<CallCounter> counter);
  PeerStream(const PeerStream&) = delete;
  PeerStream& operator=(const PeerStream&) = delete;

  const PeerChannel& channel() const { return channel_; }
  // Both are gRPC's while their operation is under way.
  peer::InternalInvokeRequestStream& outgoing() { return outgoing_; }
  peer::InternalInvokeResponseStream& incoming() { return incoming_; }

  void read() { StartRead(&incoming_); }
  void write() { StartWrite(&outgoing_); }
  void write_last() { StartWriteLast(&outgoing_, {}); }
  void writes_done() { StartWritesDone(); }
  void cancel() { client_.TryCancel(); }
  // Nothing will be started any more. May be called again.
  void close() {
    if (!std::exchange(closed_, true)) RemoveHold();
  }
  bool closed() const { return closed_; }

 private:
  PeerStream(PeerChannel channel, Executor& worker, std::weak_ptr<Listener> listener,
             std::shared_ptr<CallCounter> counter)
      : channel_(std::move(channel)),
        worker_(worker),
        listener_(std::move(listener)),
        counter_(std::move(counter)),
        stub_(peer::ServiceInvocation::NewStub(channel_)) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const ::grpc::Status& status) override;

  template <class Tell>
  void tell(Tell tell);

  const PeerChannel channel_;
  Executor& worker_;
  const std::weak_ptr<Listener> listener_;
  const std::shared_ptr<CallCounter> counter_;
  const std::unique_ptr<peer::ServiceInvocation::Stub> stub_;
  ::grpc::ClientContext client_;
  peer::InternalInvokeRequestStream outgoing_;
  peer::InternalInvokeResponseStream incoming_;
  bool closed_ = false;
  std::shared_ptr<PeerStream> self_;  // until OnDone()
};

// The metadata and the deadline of a call.
void prepare(::grpc::ClientContext& client, const CallContext& context);

}  // namespace tandem::api::grpc
