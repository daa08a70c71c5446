// An exchange on its way through an app that speaks gRPC: its body gathered, OnInvoke called, the answer given.
//
// The exchange stays on its worker: whatever comes from the library is posted there. The lane holds the call for as
// long as it has an exchange, so that whoever lets go last destroys nothing that belongs to the worker. A caller that
// leaves ends the call, within half a second or so, and its deadline does, also while it waits for its turn.
#pragma once

#include <grpcpp/client_context.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "dapr/proto/common/v1/common.pb.h"
#include "net/http.h"
#include "net/worker.h"

namespace tandem::app::grpc {

class InvokeCall final : public std::enable_shared_from_this<InvokeCall> {
 public:
  // One worker's calls.
  using Lane = std::unordered_set<std::shared_ptr<InvokeCall>>;

  InvokeCall(std::unique_ptr<net::Exchange> exchange, Lane& lane, net::Worker& worker);
  ~InvokeCall();

  // Gathers up to `limit` bytes of body, then runs `ready`, unless the body ends badly: then the call is answered.
  void gather(std::size_t limit, Task ready);
  // Fills `request` and `context`. After gather(). From here on the call ends with its deadline and with its caller.
  void prepare(const std::string& api_token, SteadyTime latest);
  // It is its turn; any thread, once, after prepare(). False: it is over, or overdue: then it waits for lapse().
  bool begin();
  // Answers that it is overdue, unless it is over.
  void lapse();
  // What the call of the app has ended with.
  void answer(const ::grpc::Status& status) { reply(status, &context); }
  // The app cannot be called: whoever asked says so in his own words. Unless the call is over.
  void refuse(std::string_view cause);

  // Touched by the library between prepare() and answer().
  ::grpc::ClientContext context;
  ::dapr::proto::common::v1::InvokeRequest request;
  ::dapr::proto::common::v1::InvokeResponse response;

 private:
  class Watch;
  enum class Turn { kWaiting, kInside, kMissed };

  void look();
  void read(Task ready);
  void take(Result<std::string_view> piece, Task ready);
  void reply(const ::grpc::Status& status, const ::grpc::ClientContext* asked);
  void end();

  std::unique_ptr<net::Exchange> exchange_;
  Lane& lane_;
  net::Worker& worker_;
  std::unique_ptr<Watch> watch_;  // goes with the exchange: it belongs to the worker
  std::atomic<Turn> turn_ = Turn::kWaiting;
  SteadyTime deadline_ = SteadyTime::max();  // set before others see the call
  std::size_t limit_ = 0;
  std::string body_;
};

}  // namespace tandem::app::grpc
