#include "grpc_pubsub.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <utility>

#include "app/grpc/grpc_app.h"
#include "arrivals.h"
#include "base/base64.h"
#include "base/log.h"
#include "broker_under_test.h"
#include "dapr/proto/runtime/v1/appcallback.grpc.pb.h"
#include "dapr_grpc_port.h"

namespace tandem::conformance {
namespace {

namespace json = boost::json;
namespace wire = ::dapr::proto::runtime::v1;
using pubsub::Verdict;
using Stub = DaprGrpcPort::Stub;

// The envelope that the message was made of, its members by name: the extensions come in any order.
std::string envelope_of(const wire::TopicEventRequest& event) {
  std::string extensions;
  if (!::google::protobuf::util::MessageToJsonString(event.extensions(), &extensions).ok()) return "";
  std::map<std::string, json::value, std::less<>> out;
  for (const auto& [name, value] : json::parse(extensions).as_object()) out.emplace(name, value);
  const std::string& type = event.data_content_type();
  out["id"] = event.id();
  out["source"] = event.source();
  out["type"] = event.type();
  out["specversion"] = event.spec_version();
  out["datacontenttype"] = type;
  if (type == "application/octet-stream") {
    out["data_base64"] = base64_encode(event.data());
  } else if (type.ends_with("json")) {
    out["data"] = json::parse(event.data());
  } else {
    out["data"] = event.data();
  }
  return json::serialize(json::value_from(out));
}

// An app may say it by the call's status or in the answer.
::grpc::Status by_status(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSuccess: return ::grpc::Status::OK;
    case Verdict::kRetry: return {::grpc::StatusCode::INTERNAL, "not now"};
    case Verdict::kDrop: return {::grpc::StatusCode::UNIMPLEMENTED, "not this one"};
  }
  return ::grpc::Status::OK;
}

wire::TopicEventResponse::TopicEventResponseStatus in_answer(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSuccess: return wire::TopicEventResponse::SUCCESS;
    case Verdict::kRetry: return wire::TopicEventResponse::RETRY;
    case Verdict::kDrop: return wire::TopicEventResponse::DROP;
  }
  return wire::TopicEventResponse::SUCCESS;
}

// The app: a gRPC server of its own.
class Program final : public wire::AppCallback::Service {
 public:
  explicit Program(std::vector<Verdict> verdicts) : verdicts_(std::move(verdicts)) {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Program() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }
  void declare(const config::Subscription& subscription) {
    const std::lock_guard lock(mutex_);
    declared_.Clear();
    wire::TopicSubscription& one = *declared_.add_subscriptions();
    one.set_pubsub_name(subscription.pubsub_name);
    one.set_topic(subscription.topic);
    one.set_dead_letter_topic(subscription.dead_letter_topic);
    one.mutable_routes()->set_default_(subscription.default_path);
    one.mutable_metadata()->insert(subscription.metadata.begin(), subscription.metadata.end());
  }
  std::vector<Received> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  ::grpc::Status ListTopicSubscriptions(::grpc::ServerContext*, const ::google::protobuf::Empty*,
                                        wire::ListTopicSubscriptionsResponse* response) override {
    const std::lock_guard lock(mutex_);
    *response = declared_;
    return ::grpc::Status::OK;
  }
  ::grpc::Status OnTopicEvent(::grpc::ServerContext*, const wire::TopicEventRequest* request,
                              wire::TopicEventResponse* response) override {
    const std::lock_guard lock(mutex_);
    const std::size_t number = received_.size();
    const Verdict verdict = number < verdicts_.size() ? verdicts_[number] : Verdict::kSuccess;
    // There is no content type of the whole: the message is the envelope.
    received_.push_back(
        {request->path(), request->pubsub_name(), "application/cloudevents+json", envelope_of(*request)});
    if (number % 2 == 0) return by_status(verdict);
    response->set_status(in_answer(verdict));
    return ::grpc::Status::OK;
  }

  const std::vector<Verdict> verdicts_;
  mutable std::mutex mutex_;
  wire::ListTopicSubscriptionsResponse declared_;
  std::vector<Received> received_;
  int port_ = 0;
  std::unique_ptr<::grpc::Server> server_;
};

class GrpcPubsubApp final : public PubsubApp, private pubsub::EventSink {
 public:
  GrpcPubsubApp(pubsub::PubsubService& service, std::string app_id, std::vector<Verdict> verdicts)
      : service_(service),
        app_id_(std::move(app_id)),
        program_(std::move(verdicts)),
        app_({.app_id = app_id_, .port = program_.port()}, Logger({.level = LogLevel::kError}), workers_),
        port_(app_id_, state_, service) {
    workers_.start();
  }
  ~GrpcPubsubApp() override {
    app_.stop(std::chrono::steady_clock::now());
    workers_.stop();
  }

  Result<void> publish(Event event) override {
    wire::PublishEventRequest request;
    request.set_pubsub_name(event.pubsub);
    request.set_topic(event.topic);
    request.set_data(event.data);
    request.set_data_content_type(event.content_type);
    request.mutable_metadata()->insert(event.metadata.begin(), event.metadata.end());
    const auto answer = port_.call(&Stub::PublishEvent, request);
    if (!answer) return fail(answer.error());
    return {};
  }
  Result<std::vector<std::string>> publish_many(std::string pubsub, std::string topic, std::vector<BulkEvent> events,
                                                Metadata metadata) override {
    wire::BulkPublishRequest request;
    request.set_pubsub_name(pubsub);
    request.set_topic(topic);
    request.mutable_metadata()->insert(metadata.begin(), metadata.end());
    for (const BulkEvent& event : events) {
      wire::BulkPublishRequestEntry& entry = *request.add_entries();
      entry.set_entry_id(event.entry_id);
      entry.set_event(event.data);
      entry.set_content_type(event.content_type);
      entry.mutable_metadata()->insert(event.metadata.begin(), event.metadata.end());
    }
    const auto answer = port_.call(&Stub::BulkPublishEvent, request);
    if (!answer) return fail(answer.error());
    std::vector<std::string> failed;
    for (const auto& entry : answer->failedentries()) failed.push_back(entry.entry_id());
    return failed;
  }
  Status subscribe(config::Subscription subscription) override {
    program_.declare(subscription);
    using Subscriptions = Result<std::vector<config::Subscription>>;
    std::promise<Subscriptions> promise;
    workers_[0].post(
        [&] { app_.list_subscriptions([&](Subscriptions declared) { promise.set_value(std::move(declared)); }); });
    Subscriptions declared = promise.get_future().get();
    if (!declared) return fail(std::move(declared.error()));
    if (declared->empty()) return fail(Code::kNotFound, "app " + app_id_ + " has declared no subscription");
    for (config::Subscription& one : *declared) {
      if (Status status = service_.subscribe(app_id_, std::move(one), *this); !status) return status;
    }
    return {};
  }
  std::vector<Received> wait_for(std::size_t count) override {
    arrivals_.wait_for(count);
    return program_.received();
  }

 private:
  void deliver(pubsub::Delivery delivery, Completion<Verdict> done) override {
    app_.deliver(std::move(delivery), [this, done = std::move(done)](Result<Verdict> verdict) mutable {
      arrivals_.one_more();
      done(std::move(verdict));
    });
  }

  pubsub::PubsubService& service_;
  const std::string app_id_;
  state::StateService state_{"default"};
  Arrivals arrivals_;
  Program program_;
  net::Workers workers_{1};
  app::grpc::GrpcApp app_;
  DaprGrpcPort port_;
};

class GrpcPubsub final : public PubsubDriver {
 public:
  explicit GrpcPubsub(std::unique_ptr<BrokerUnderTest> broker) : broker_(std::move(broker)) {}

  const std::string& name() const override { return broker_->name(); }
  PubsubApp& app(std::string app_id, std::vector<Verdict> verdicts) override {
    return *apps_.emplace_back(
        std::make_unique<GrpcPubsubApp>(broker_->service(), std::move(app_id), std::move(verdicts)));
  }
  void stop_subscriptions() override { broker_->service().stop_subscriptions(); }

 private:
  std::vector<std::unique_ptr<GrpcPubsubApp>> apps_;
  const std::unique_ptr<BrokerUnderTest> broker_;  // ends before the apps
};

}  // namespace

std::unique_ptr<PubsubDriver> make_grpc_pubsub(const std::string& folder) {
  std::unique_ptr<BrokerUnderTest> broker = BrokerUnderTest::make(folder);
  return broker ? std::make_unique<GrpcPubsub>(std::move(broker)) : nullptr;
}

}  // namespace tandem::conformance
