// A broker in a program of its own: Dapr's PubSub service. A subscription is a stream of PullMessages.
//
// Owned by PubsubService; see pubsub_broker.h for threads. Completions and messages come on gRPC's threads. Messages of
// a subscription are handed out one after the other, as by daprd, and acknowledged by their ids; a stream that ends is
// begun again. The component has one consumer group, that of its initialisation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "components/grpc/connection.h"
#include "dapr/proto/components/v1/pubsub.grpc.pb.h"

namespace tandem::components::grpc {

class GrpcBroker final : public pubsub::Broker {
 public:
  // What it needs of the process; both outlive it.
  struct Surroundings {
    TimedExecutor& timers;
    const Logger* log = nullptr;
  };

  // Initialises the component with `properties`, and asks for its features. Waits, until `deadline`.
  static Result<std::unique_ptr<GrpcBroker>> open(std::shared_ptr<Connection> connection, const Metadata& properties,
                                                  const Surroundings& surroundings, SteadyTime deadline);
  ~GrpcBroker() override;

  // As the component says them: BULK_PUBSUB, SUBSCRIBE_WILDCARDS …
  const std::vector<std::string>& feature_names() const { return feature_names_; }

  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override;
  // In one call where the component has the feature BULK_PUBSUB.
  void publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                    Completion<std::vector<Status>> done) override;
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string consumer_group, Metadata metadata,
                                                  pubsub::MessageHandler handler) override;
  void close(SteadyTime deadline) override;

 private:
  using Service = ::dapr::proto::components::v1::PubSub;

  GrpcBroker(std::shared_ptr<Connection> connection, const Surroundings& surroundings);

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<Service::Stub> stub_;  // streams have it, too
  const Surroundings surroundings_;
  std::vector<std::string> feature_names_;  // constant once it is open
};

}  // namespace tandem::components::grpc
