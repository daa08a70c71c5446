// One SubscribeTopicEventsAlpha1 of a client: a subscription that lives as long as the stream, its events one way, what
// the client made of each the other way.
//
// Lives until the call has ended and no delivery holds it. The client's messages are read on the worker of its
// connection, events come on any thread. An event that the client has not answered when the stream ends, or when the
// broker sends it again, stays with the broker. Failures are worded as daprd's: the client's own leaving is CANCELLED,
// an end of its messages "EOF".
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/grpc/api_options.h"
#include "dapr/proto/runtime/v1/pubsub.pb.h"
#include "net/grpc/server_stream.h"

namespace tandem::api::grpc {

namespace wire = ::dapr::proto::runtime::v1;

class TopicStream final : public net::grpc::ServerStream, public pubsub::StreamSink {
 public:
  // Events that wait for the client's answer; with more of them the broker keeps what comes.
  static constexpr std::size_t kMaxOpen = 10'000;

  // `api` outlives the stream. `cancelled` counts the calls that ended so, and lives as long as the server.
  static void serve(const ApiOptions& api, net::grpc::IncomingCall call, std::atomic<std::size_t>& cancelled);

 private:
  TopicStream(const ApiOptions& api, net::grpc::IncomingCall call, std::atomic<std::size_t>& cancelled)
      : ServerStream(std::move(call)), api_(api), cancelled_(cancelled) {}

  void on_read(std::optional<std::string_view> message) override;
  void on_written(bool ok) override;
  void on_gone() override;

  // pubsub::StreamSink
  void deliver(pubsub::Delivery delivery, Completion<pubsub::Verdict> done) override;
  void stop() override;

  void subscribe(const wire::SubscribeTopicEventsRequestInitialAlpha1& request);
  void processed(const wire::SubscribeTopicEventsRequestProcessedAlpha1& answer);
  void write_next();  // with the mutex held
  // Ends the call, the subscription, and the wait of every open event. False: it had ended before.
  bool end(::grpc::Status status);

  const ApiOptions& api_;
  std::atomic<std::size_t>& cancelled_;
  bool begun_ = false;  // the first message has come; of the reads alone

  std::mutex mutex_;
  bool finished_ = false;
  bool opened_ = false;  // the client may be written to
  bool writing_ = false;
  std::deque<wire::SubscribeTopicEventsResponseAlpha1> outgoing_;  // the first one is being written
  std::map<std::string, Completion<pubsub::Verdict>> open_;        // by the event's id
  std::unique_ptr<pubsub::PubsubService::Stream> subscription_;
};

}  // namespace tandem::api::grpc
