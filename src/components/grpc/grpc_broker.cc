#include "components/grpc/grpc_broker.h"

#include <algorithm>
#include <utility>

#include "base/number.h"
#include "components/grpc/component_error.h"
#include "components/grpc/event_stream.h"
#include "components/grpc/initialisation.h"

namespace tandem::components::grpc {
namespace {

namespace wire = ::dapr::proto::components::v1;
using Pull = EventStream<wire::PullMessagesRequest, wire::PullMessagesResponse>;

constexpr std::string_view kScope = "tandem.pubsub.pluggable";

class Handle final : public pubsub::Broker::Subscription {
 public:
  explicit Handle(std::shared_ptr<Pull> stream) : stream_(std::move(stream)) {}
  ~Handle() override { stream_->stop(); }

 private:
  const std::shared_ptr<Pull> stream_;
};

pubsub::Message to_message(wire::PullMessagesResponse& message) {
  return {.topic = std::move(*message.mutable_topic_name()),
          .data = share(std::move(*message.mutable_data())),
          .content_type = std::move(*message.mutable_content_type()),
          .metadata = metadata_of(message.metadata())};
}

// A message that was dropped is not wanted again.
wire::PullMessagesRequest acknowledgement(const std::string& id, const Result<pubsub::Verdict>& verdict) {
  wire::PullMessagesRequest request;
  request.set_ack_message_id(id);
  if (!verdict) {
    request.mutable_ack_error()->set_message(verdict.error().message);
  } else if (*verdict == pubsub::Verdict::kRetry) {
    request.mutable_ack_error()->set_message("the app has not taken the message");
  }
  return request;
}

// In the order of the messages, whose places are the ids of the entries.
std::vector<Status> outcomes_of(const wire::BulkPublishResponse& response, std::size_t count) {
  std::vector<Status> outcomes(count);
  for (const wire::BulkPublishResponseFailedEntry& failed : response.failed_entries()) {
    const auto place = parse_number<std::size_t>(failed.entry_id());
    if (place && *place < count) outcomes[*place] = fail(Code::kInternal, failed.error());
  }
  return outcomes;
}

}  // namespace

GrpcBroker::GrpcBroker(std::shared_ptr<Connection> connection, const Surroundings& surroundings)
    : connection_(std::move(connection)),
      stub_(std::make_shared<Service::Stub>(connection_->channel())),
      surroundings_(surroundings) {}

GrpcBroker::~GrpcBroker() { close(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<GrpcBroker>> GrpcBroker::open(std::shared_ptr<Connection> connection, const Metadata& properties,
                                                     const Surroundings& surroundings, SteadyTime deadline) {
  std::unique_ptr<GrpcBroker> broker(new GrpcBroker(std::move(connection), surroundings));
  const Status begun = initialise<wire::PubSubInitRequest, wire::PubSubInitResponse>(
      *broker->connection_, *broker->stub_, properties, deadline);
  if (!begun) return fail(begun.error());
  ::grpc::ClientContext context;
  broker->connection_->prepare(context, deadline);
  wire::FeaturesResponse features;
  if (const auto status = broker->stub_->Features(&context, {}, &features); !status.ok()) {
    return fail(component_error(status));
  }
  broker->feature_names_.assign(features.features().begin(), features.features().end());
  return broker;
}

void GrpcBroker::publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) {
  auto call = std::make_shared<Call<wire::PublishRequest, wire::PublishResponse>>();
  connection_->prepare(call->context, context, Connection::kCallLimit);
  call->request.set_pubsub_name(connection_->component());
  call->request.set_topic(std::move(request.topic));
  if (request.data != nullptr) call->request.set_data(*request.data);
  call->request.set_content_type(std::move(request.content_type));
  fill(*call->request.mutable_metadata(), request.metadata);
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_->async()->Publish(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [done = std::move(done)](const ::grpc::Status& status, auto&) mutable {
        if (status.ok()) return done({});
        done(fail(component_error(status)));
      });
}

void GrpcBroker::publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                              Completion<std::vector<Status>> done) {
  const bool in_bulk = std::ranges::find(feature_names_, "BULK_PUBSUB") != feature_names_.end();
  if (!in_bulk || requests.empty()) return Broker::publish_bulk(context, std::move(requests), std::move(done));
  auto call = std::make_shared<Call<wire::BulkPublishRequest, wire::BulkPublishResponse>>();
  connection_->prepare(call->context, context, Connection::kCallLimit);
  call->request.set_pubsub_name(connection_->component());
  call->request.set_topic(requests.front().topic);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    wire::BulkMessageEntry& entry = *call->request.add_entries();
    entry.set_entry_id(std::to_string(i));
    if (requests[i].data != nullptr) entry.set_event(*requests[i].data);
    entry.set_content_type(std::move(requests[i].content_type));
    fill(*entry.mutable_metadata(), requests[i].metadata);
  }
  connection_->ask(
      std::move(call),
      [this](auto& begun, auto ended) {
        stub_->async()->BulkPublish(&begun.context, &begun.request, &begun.response, std::move(ended));
      },
      [count = requests.size(), done = std::move(done)](const ::grpc::Status& status, auto& ended) mutable {
        if (status.ok()) return done(outcomes_of(ended.response, count));
        const Error error = component_error(status);
        std::vector<Status> outcomes(count);
        for (Status& outcome : outcomes) outcome = fail(error);
        done(std::move(outcomes));
      });
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> GrpcBroker::subscribe(std::string topic, std::string,
                                                                            Metadata metadata,
                                                                            pubsub::MessageHandler handler) {
  Pull::Options options;
  options.open = [stub = stub_](::grpc::ClientContext& context, Pull::Reactor& reactor) {
    stub->async()->PullMessages(&context, &reactor);
  };
  options.first.emplace();
  options.first->mutable_topic()->set_name(topic);
  fill(*options.first->mutable_topic()->mutable_metadata(), metadata);
  options.handle = [topic, handler = std::move(handler)](wire::PullMessagesResponse message,
                                                         Pull::Acknowledge acknowledge) {
    std::string id = message.id();
    pubsub::Message taken = to_message(message);
    if (taken.topic.empty()) taken.topic = topic;
    handler(std::move(taken),
            [id = std::move(id), acknowledge = std::move(acknowledge)](const Result<pubsub::Verdict>& verdict) mutable {
              acknowledge(acknowledgement(id, verdict));
            });
  };
  options.warn = [log = surroundings_.log, component = connection_->component(), socket = connection_->socket(),
                  topic](const std::string& problem) {
    if (log == nullptr) return;
    log->warn(kScope, problem, {{"component", component}, {"topic", topic}, {"socket", socket}});
  };
  auto stream = std::make_shared<Pull>(connection_, surroundings_.timers, std::move(options));
  stream->begin();
  return std::make_unique<Handle>(std::move(stream));
}

void GrpcBroker::close(SteadyTime deadline) { connection_->close(deadline); }

}  // namespace tandem::components::grpc
