// One invocation of an app that another sidecar holds: an exchange of this process on its way there and back.
//
// Request and answer stream in pieces, one under way a direction, so back-pressure reaches across. As daprd does, a
// request that found nobody (UNAVAILABLE) is sent again, three times with a second in between, unless its body has no
// length of its own, or the caller has policies of its own for the app; the name is resolved anew each time. Its
// worker's thread only; owned by RemoteApps' lane until it is over, and destroyed early it cancels the call. Failures
// reach the caller by Exchange::refuse(), or cut the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/grpc/internal/peer_stream.h"
#include "blocks/invoke/name_resolver.h"
#include "net/http.h"

namespace tandem::api::grpc {

// What calls need; it outlives them.
struct RemoteParts {
  TimedExecutor& worker;
  invoke::NameResolver& resolver;
  PeerChannels& channels;
  std::shared_ptr<CallCounter> counter;
  std::string name_space;
  std::string host_address;
  std::string host_name;
  // Between two attempts.
  std::chrono::milliseconds retry_delay{1000};
  // RemoteOptions has it.
  std::function<bool(std::string_view caller, std::string_view callee)> has_policies;
};

class RemoteCall final : public PeerStream::Listener, public std::enable_shared_from_this<RemoteCall> {
 public:
  // `over` runs once, when the caller has his answer; it may destroy the call.
  RemoteCall(RemoteParts& parts, std::unique_ptr<net::Exchange> exchange, std::function<void(RemoteCall&)> over);
  ~RemoteCall() override;

  void begin();
  // Gives up when the caller has left.
  void look_for_caller();

 private:
  struct Whole;

  void resolve();
  void connect(const std::string& address);
  void send();
  void read_body();
  void take_piece(Result<std::string_view> piece);
  void take_answer(const peer::InternalInvokeResponse& head);
  void take_payload(PeerStream& stream);
  void failed(const ::grpc::Status& status);
  void retry(const ::grpc::Status& status);
  void call_whole();
  void take_whole(const Whole& whole, const ::grpc::Status& status);
  // Whatever gRPC has still under way.
  void cancel();
  void refuse(Code code, std::string why);
  void cut();
  void end();

  void on_read(PeerStream& stream, bool ok) override;
  void on_written(PeerStream& stream, bool ok) override;
  void on_done(PeerStream& stream, const ::grpc::Status& status) override;

  RemoteParts& parts_;
  std::unique_ptr<net::Exchange> exchange_;  // until it is answered
  std::function<void(RemoteCall&)> over_;
  std::string app_id_;
  std::string name_space_;
  std::string address_;
  peer::InternalInvokeRequest request_;
  std::shared_ptr<PeerStream> stream_;  // of the attempt under way
  std::weak_ptr<Whole> whole_;          // in place of it: gRPC's until it has ended
  int attempts_ = 0;

  // Of the body: all that has been read, as long as it may be needed again, else the piece that is being sent.
  std::string pieces_;
  std::size_t sent_ = 0;  // of pieces_
  bool keeps_ = true;
  bool has_length_ = false;
  bool body_ended_ = false;
  bool reading_ = false;
  bool waits_for_body_ = false;
  bool first_ = true;      // of the attempt's messages
  bool all_sent_ = false;  // in this attempt
  std::uint64_t seq_ = 0;

  bool answered_ = false;  // its head has come
  std::uint64_t expected_seq_ = 0;
};

}  // namespace tandem::api::grpc
