// One SubscribeTopicEventsAlpha1 of a client: a subscription that lives as long as the stream, its events one way, what
// the client made of each the other way.
//
// Lives until gRPC is done with it and no delivery holds it. The client's messages are read on gRPC's threads, events
// come on any. An event that the client has not answered when the stream ends, or when the broker sends it again, stays
// with the broker. Failures are worded as daprd's: the client's own leaving is CANCELLED, an end of its messages "EOF".
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/grpc/api_options.h"
#include "dapr/proto/runtime/v1/pubsub.pb.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

class TopicStream final : public ::grpc::ServerBidiReactor<wire::SubscribeTopicEventsRequestAlpha1,
                                                           wire::SubscribeTopicEventsResponseAlpha1>,
                          public pubsub::StreamSink,
                          public std::enable_shared_from_this<TopicStream> {
 public:
  // Events that wait for the client's answer; with more of them the broker keeps what comes.
  static constexpr std::size_t kMaxOpen = 10'000;

  // `api` outlives the stream. `cancelled` counts the calls that ended so, and lives as long as the gRPC server.
  static std::shared_ptr<TopicStream> make(const ApiOptions& api, std::atomic<std::size_t>& cancelled);
  // Reads the first message, or ends the call with `refused`.
  void begin(std::optional<::grpc::Status> refused);

 private:
  TopicStream(const ApiOptions& api, std::atomic<std::size_t>& cancelled) : api_(api), cancelled_(cancelled) {}

  // On gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { const std::shared_ptr<TopicStream> last = std::move(self_); }

  // pubsub::StreamSink
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override;
  void stop() override;

  void subscribe(const wire::SubscribeTopicEventsRequestInitialAlpha1& request);
  void processed(const wire::SubscribeTopicEventsRequestProcessedAlpha1& answer);
  void read_next();
  void write_next();  // with the mutex held
  // Ends the call, the subscription, and the wait of every open event. False: it had ended before.
  bool finish(::grpc::Status status);

  const ApiOptions& api_;
  std::atomic<std::size_t>& cancelled_;
  std::shared_ptr<TopicStream> self_;  // until OnDone()

  wire::SubscribeTopicEventsRequestAlpha1 request_;  // gRPC's while a read is under way
  bool begun_ = false;                               // the first message has come; of the reads alone

  std::mutex mutex_;
  bool finished_ = false;
  bool opened_ = false;  // the client may be written to
  bool writing_ = false;
  std::deque<wire::SubscribeTopicEventsResponseAlpha1> outgoing_;  // the first one is gRPC's while a write is under way
  std::map<std::string, Completion<pubsub::Verdict>> open_;        // by the event's id
  std::unique_ptr<pubsub::PubsubService::Stream> subscription_;
};

}  // namespace tandem::api::grpc
