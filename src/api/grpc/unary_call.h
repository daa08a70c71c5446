// One unary call of a client: what it carries, and its one answer.
//
// Lives until it is answered and nobody else holds it, so a block may look at its context even after the client has
// gone. begin() reads the message and run() serves it, on the worker of the connection; what came with the call
// (server()) is there inside run(), and both messages as long as the call is. The answer may come on any thread: on the
// worker it is sent in place, else it is posted there. A client that leaves, a deadline that passes and a server that
// ends leave no answer to give.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/call_context.h"
#include "net/grpc/server_call.h"

namespace tandem::api::grpc {

using net::grpc::AnswerMetadata;
using net::grpc::IncomingCall;

class UnaryCall : public std::enable_shared_from_this<UnaryCall> {
 public:
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;
  virtual ~UnaryCall() = default;

  void begin();

  const CallContext& context() const { return context_; }
  const net::grpc::ServerCall& server() const { return server_; }
  net::Worker& worker() const { return server_.worker(); }

  // The answer, unless there is one. False: it was not taken.
  bool fail(::grpc::Status status) {
    const Posting posting(counter_);
    if (!claim()) return false;
    conclude(std::move(status));
    return true;
  }
  // `fill(metadata)` writes the response message; its result is the status.
  template <class Fill>
  void answer(Fill&& fill) {
    const Posting posting(counter_);
    if (!claim()) return;
    conclude(fill(metadata_));
  }
  void succeed() { fail(::grpc::Status::OK); }
  // Answered, or nobody waits for the answer.
  bool is_over() const { return answered_.load(std::memory_order_acquire); }

  // What this one waits for before it calls an app: `give_up` ends the waiting when the client leaves, at once when it
  // has left, and does nothing where there is no waiting any more.
  void wait_until_given_up(std::function<void()> give_up);
  // The call of an app that this one waits for: cancelled when the client leaves.
  void wait_for(std::shared_ptr<::grpc::ClientContext> onward);

 protected:
  // `cancelled` counts the calls that ended without an answer of ours, and outlives the call.
  UnaryCall(IncomingCall incoming, std::atomic<std::size_t>& cancelled)
      : server_(std::move(incoming)), cancelled_(cancelled) {}
  // Inside run(), before anybody else sees the call.
  void set_context(CallContext context) { context_ = std::move(context); }
  // What the answer says besides, whatever becomes of the call.
  void set_baggage(std::string baggage) { baggage_ = std::move(baggage); }

 private:
  virtual ::google::protobuf::MessageLite& request_message() = 0;
  virtual const ::google::protobuf::MessageLite& response_message() const = 0;
  // The request is there.
  virtual void run() = 0;

  // From a claim until what follows is posted to the worker: the server's end waits for it.
  class Posting final {
   public:
    explicit Posting(std::shared_ptr<net::grpc::CallCounter> counter) : counter_(std::move(counter)) {
      if (counter_) counter_->begin();
    }
    Posting(const Posting&) = delete;
    Posting& operator=(const Posting&) = delete;
    ~Posting() {
      if (counter_) counter_->end();
    }

   private:
    const std::shared_ptr<net::grpc::CallCounter> counter_;
  };

  bool claim() { return !answered_.exchange(true, std::memory_order_acq_rel); }
  void take(Result<net::grpc::ServerCall::Message> message);
  void conclude(::grpc::Status status);
  void send();
  void gone();
  void know_server();

  net::grpc::ServerCall server_;
  CallContext context_;
  std::atomic<std::size_t>& cancelled_;
  std::atomic<bool> answered_ = false;
  // Of whoever claimed the answer, until it is sent.
  ::grpc::Status status_;
  AnswerMetadata metadata_;
  std::string baggage_;  // empty: none
  std::mutex mutex_;
  std::shared_ptr<::grpc::ClientContext> onward_;
  std::function<void()> give_up_;
  // The server's, for a call whose answer may come on a thread of gRPC's.
  std::shared_ptr<net::grpc::CallCounter> counter_;
  std::shared_ptr<UnaryCall> self_;  // from begin() until the answer is sent or nobody waits for it
};

using SharedCall = std::shared_ptr<UnaryCall>;

}  // namespace tandem::api::grpc
