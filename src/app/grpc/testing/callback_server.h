// For tests: a gRPC program that serves AppCallback and its health, answers what the test sets and keeps what it was
// asked.
//
// OnInvoke answers by the method of the message: "echo" the data again, "fail" a status with details, "hang" nothing
// until the call is cancelled, else an empty message.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dapr/proto/runtime/v1/appcallback.grpc.pb.h"

namespace tandem::app::grpc {

class CallbackServer final : public ::dapr::proto::runtime::v1::AppCallback::Service,
                             public ::dapr::proto::runtime::v1::AppCallbackAlpha::Service,
                             public ::dapr::proto::runtime::v1::AppCallbackHealthCheck::Service {
 public:
  using InvokeRequest = ::dapr::proto::common::v1::InvokeRequest;
  using InvokeResponse = ::dapr::proto::common::v1::InvokeResponse;
  using TopicEventRequest = ::dapr::proto::runtime::v1::TopicEventRequest;
  using TopicEventResponse = ::dapr::proto::runtime::v1::TopicEventResponse;
  using BulkRequest = ::dapr::proto::runtime::v1::TopicEventBulkRequest;
  using BulkResponse = ::dapr::proto::runtime::v1::TopicEventBulkResponse;
  using Subscriptions = ::dapr::proto::runtime::v1::ListTopicSubscriptionsResponse;

  // 0: any free port.
  explicit CallbackServer(int port = 0) {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), ::grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<::dapr::proto::runtime::v1::AppCallback::Service*>(this));
    builder.RegisterService(static_cast<::dapr::proto::runtime::v1::AppCallbackAlpha::Service*>(this));
    builder.RegisterService(static_cast<::dapr::proto::runtime::v1::AppCallbackHealthCheck::Service*>(this));
    builder.SetMaxReceiveMessageSize(-1);
    server_ = builder.BuildAndStart();
  }
  ~CallbackServer() { stop(); }

  void stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }

  using BindingEventRequest = ::dapr::proto::runtime::v1::BindingEventRequest;
  using BindingEventResponse = ::dapr::proto::runtime::v1::BindingEventResponse;
  using InputBindings = ::dapr::proto::runtime::v1::ListInputBindingsResponse;

  // What the next calls are answered with.
  ::grpc::Status status;
  TopicEventResponse::TopicEventResponseStatus event_status = TopicEventResponse::SUCCESS;
  Subscriptions subscriptions;
  InputBindings input_bindings;
  BindingEventResponse binding_answer;
  // Where bulks are answered: each entry with event_status.
  enum class BulkService { kNone, kStable, kAlpha };
  BulkService bulk_service = BulkService::kNone;
  std::string answer_type_url;

  // What was asked last.
  InvokeRequest invoked() {
    const std::lock_guard lock(mutex_);
    return invoked_;
  }
  TopicEventRequest event() {
    const std::lock_guard lock(mutex_);
    return event_;
  }
  BindingEventRequest binding_event() {
    const std::lock_guard lock(mutex_);
    return binding_event_;
  }
  BulkRequest bulk() {
    const std::lock_guard lock(mutex_);
    return bulk_;
  }
  std::multimap<std::string, std::string> metadata() {
    const std::lock_guard lock(mutex_);
    return metadata_;
  }
  // Until so many calls of OnInvoke are inside at once; false after ten seconds.
  bool wait_inside(int wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return inside_ == wanted; });
  }
  int most_inside() {
    const std::lock_guard lock(mutex_);
    return most_inside_;
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    hangs_ = false;
    changed_.notify_all();
  }

 private:
  ::grpc::Status OnInvoke(::grpc::ServerContext* server, const InvokeRequest* request,
                          InvokeResponse* response) override {
    note(*server);
    std::unique_lock lock(mutex_);
    invoked_ = *request;
    most_inside_ = std::max(most_inside_, ++inside_);
    changed_.notify_all();
    if (request->method() == "hang") {
      while (hangs_ && !server->IsCancelled()) changed_.wait_for(lock, std::chrono::milliseconds(5));
    }
    --inside_;
    changed_.notify_all();
    server->AddInitialMetadata("x-from", "the app");
    server->AddTrailingMetadata("x-after", "the answer");
    if (request->method() == "fail") return status;
    if (request->method() == "echo") {
      *response->mutable_data() = request->data();
      response->set_content_type(request->content_type());
      if (!answer_type_url.empty()) response->mutable_data()->set_type_url(answer_type_url);
    }
    return ::grpc::Status::OK;
  }
  ::grpc::Status ListTopicSubscriptions(::grpc::ServerContext* server, const ::google::protobuf::Empty*,
                                        Subscriptions* response) override {
    note(*server);
    *response = subscriptions;
    return status;
  }
  ::grpc::Status OnTopicEvent(::grpc::ServerContext* server, const TopicEventRequest* request,
                              TopicEventResponse* response) override {
    note(*server);
    const std::lock_guard lock(mutex_);
    event_ = *request;
    response->set_status(event_status);
    return status;
  }
  ::grpc::Status ListInputBindings(::grpc::ServerContext* server, const ::google::protobuf::Empty*,
                                   InputBindings* response) override {
    note(*server);
    *response = input_bindings;
    return status;
  }
  ::grpc::Status OnBindingEvent(::grpc::ServerContext* server, const BindingEventRequest* request,
                                BindingEventResponse* response) override {
    note(*server);
    const std::lock_guard lock(mutex_);
    binding_event_ = *request;
    *response = binding_answer;
    return status;
  }
  ::grpc::Status OnBulkTopicEvent(::grpc::ServerContext* server, const BulkRequest* request,
                                  BulkResponse* response) override {
    return answer_bulk(BulkService::kStable, *server, *request, *response);
  }
  ::grpc::Status OnBulkTopicEventAlpha1(::grpc::ServerContext* server, const BulkRequest* request,
                                        BulkResponse* response) override {
    return answer_bulk(BulkService::kAlpha, *server, *request, *response);
  }
  ::grpc::Status answer_bulk(BulkService service, const ::grpc::ServerContext& server, const BulkRequest& request,
                             BulkResponse& response) {
    if (service != bulk_service) return {::grpc::StatusCode::UNIMPLEMENTED, "not served"};
    note(server);
    const std::lock_guard lock(mutex_);
    bulk_ = request;
    for (const auto& entry : request.entries()) {
      auto& one = *response.add_statuses();
      one.set_entry_id(entry.entry_id());
      one.set_status(event_status);
    }
    return status;
  }
  ::grpc::Status HealthCheck(::grpc::ServerContext* server, const ::google::protobuf::Empty*,
                             ::dapr::proto::runtime::v1::HealthCheckResponse*) override {
    note(*server);
    return status;
  }

  void note(const ::grpc::ServerContext& server) {
    const std::lock_guard lock(mutex_);
    metadata_.clear();
    for (const auto& [key, value] : server.client_metadata()) {
      metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  InvokeRequest invoked_;
  TopicEventRequest event_;
  BindingEventRequest binding_event_;
  BulkRequest bulk_;
  std::multimap<std::string, std::string> metadata_;
  int inside_ = 0;
  int most_inside_ = 0;
  bool hangs_ = true;
  int port_ = 0;
  std::unique_ptr<::grpc::Server> server_;
};

}  // namespace tandem::app::grpc
