// One unary call of a client: what it carries, and its one answer.
//
// Lives until gRPC is done with it and nobody else holds it, so a block may look at its context even after the client
// has gone. request and response messages live as long as gRPC's part: they are touched inside the method's own call,
// or by whoever claimed the answer. Any thread. A client that leaves, and a server that ends, answer CANCELLED.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/call_context.h"

namespace tandem::api::grpc {

class UnaryCall final : public ::grpc::ServerUnaryReactor {
 public:
  // `cancelled` counts the calls that ended so, and lives as long as the gRPC server.
  static std::shared_ptr<UnaryCall> make(::grpc::CallbackServerContext& server, CallContext context,
                                         std::atomic<std::size_t>& cancelled) {
    auto call = std::make_shared<UnaryCall>(Key{}, server, std::move(context), cancelled);
    call->self_ = call;
    return call;
  }

  const CallContext& context() const { return context_; }

  // The answer, unless there is one. False: it was not taken.
  bool fail(::grpc::Status status) {
    if (!claim()) return false;
    Finish(std::move(status));
    return true;
  }
  // `fill(server_context)` writes the response message; its result, if any, is the status.
  template <class Fill>
  void answer(Fill&& fill) {
    if (!claim()) return;
    Finish(fill(server_));
  }
  void succeed() { fail(::grpc::Status::OK); }

  // What this one waits for before it calls an app: `give_up` ends the waiting when the client leaves, at once when it
  // has left, and does nothing where there is no waiting any more.
  void wait_until_given_up(std::function<void()> give_up) {
    {
      const std::lock_guard lock(mutex_);
      if (!answered_.load(std::memory_order_acquire)) {
        give_up_ = std::move(give_up);
        return;
      }
    }
    give_up();
  }
  // The call of an app that this one waits for: cancelled when the client leaves.
  void wait_for(std::shared_ptr<::grpc::ClientContext> onward) {
    const std::lock_guard lock(mutex_);
    onward_ = std::move(onward);
    if (answered_.load(std::memory_order_acquire)) onward_->TryCancel();
  }

 private:
  struct Key {};

 public:
  UnaryCall(Key, ::grpc::CallbackServerContext& server, CallContext context, std::atomic<std::size_t>& cancelled)
      : server_(server), context_(std::move(context)), cancelled_(cancelled) {}

 private:
  bool claim() { return !answered_.exchange(true, std::memory_order_acq_rel); }
  void OnCancel() override {
    if (!claim()) return;
    cancelled_.fetch_add(1, std::memory_order_relaxed);
    std::function<void()> give_up;
    {
      const std::lock_guard lock(mutex_);
      if (onward_) onward_->TryCancel();
      give_up = std::move(give_up_);
    }
    if (give_up) give_up();
    Finish(::grpc::Status::CANCELLED);
  }
  // Both reactions are short and wait for nothing: they run where gRPC is, and not on a thread that it has to wake for
  // each.
  bool InternalInlineable() override { return true; }
  void OnDone() override { const std::shared_ptr<UnaryCall> last = std::move(self_); }

  ::grpc::CallbackServerContext& server_;
  const CallContext context_;
  std::atomic<std::size_t>& cancelled_;
  std::atomic<bool> answered_ = false;
  std::mutex mutex_;
  std::shared_ptr<::grpc::ClientContext> onward_;
  std::function<void()> give_up_;
  std::shared_ptr<UnaryCall> self_;  // until OnDone()
};

using SharedCall = std::shared_ptr<UnaryCall>;

}  // namespace tandem::api::grpc
