// Calls that leave through the door to apps that speak gRPC: of their own services, and InvokeService.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "api/grpc/testing/test_door.h"
#include "dapr/proto/runtime/v1/appcallback.grpc.pb.h"
#include "net/grpc/testing/scripted_app.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using ::dapr::proto::common::v1::InvokeRequest;
using ::dapr::proto::common::v1::InvokeResponse;
using ::grpc::ClientContext;
using ::grpc::Status;
using ::grpc::StatusCode;

// Answers OnInvoke with its data; "fail" with a status, "hang" when its caller has left.
class SpeakingApp final : public wire::AppCallback::CallbackService {
 public:
  SpeakingApp() {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~SpeakingApp() override { server_->Shutdown(std::chrono::system_clock::now()); }

  net::grpc::CallRoute route(std::size_t concurrency = 0) const {
    return {.app_id = "speaker",
            .channel = net::grpc::make_channel({.port = static_cast<std::uint16_t>(port_)}),
            .metadata = {{"dapr-api-token", "for the app"}},
            .gate = std::make_shared<net::grpc::CallGate>(concurrency)};
  }
  InvokeRequest asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::multimap<std::string, std::string> metadata() {
    const std::lock_guard lock(mutex_);
    return metadata_;
  }
  net::grpc::Noted noted;

 private:
  class Hanging final : public ::grpc::ServerUnaryReactor {
   public:
    explicit Hanging(SpeakingApp& app) : app_(app) {}
    void OnCancel() override {
      app_.noted.note("cancelled");
      Finish(Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    SpeakingApp& app_;
  };

  ::grpc::ServerUnaryReactor* OnInvoke(::grpc::CallbackServerContext* server, const InvokeRequest* request,
                                       InvokeResponse* response) override {
    {
      const std::lock_guard lock(mutex_);
      asked_ = *request;
      metadata_.clear();
      for (const auto& [key, value] : server->client_metadata()) {
        metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
      }
    }
    if (request->method() == "hang") {
      noted.note("hangs");
      return new Hanging(*this);
    }
    server->AddInitialMetadata("from-bin", std::string("\1\0", 2));
    server->AddTrailingMetadata("after", "that");
    *response->mutable_data() = request->data();
    response->set_content_type(request->content_type());
    ::grpc::ServerUnaryReactor* reactor = server->DefaultReactor();
    reactor->Finish(request->method() == "fail" ? Status(StatusCode::ABORTED, "not today", "details") : Status::OK);
    return reactor;
  }

  std::mutex mutex_;
  InvokeRequest asked_;
  std::multimap<std::string, std::string> metadata_;
  int port_ = 0;
  std::unique_ptr<::grpc::Server> server_;
};

wire::InvokeServiceRequest invocation(const std::string& method) {
  wire::InvokeServiceRequest request;
  request.set_id("speaker");
  request.mutable_message()->set_method(method);
  request.mutable_message()->mutable_data()->set_value("data");
  request.mutable_message()->mutable_data()->set_type_url("type.googleapis.com/own.Type");
  request.mutable_message()->set_content_type("own/type");
  return request;
}

TEST(PassingTest, AnInvocationKeepsItsMessage) {
  TestDoor door;
  SpeakingApp app;
  door.routes.apps["speaker"] = app.route();
  ClientContext context;
  context.AddMetadata("key", "value");
  context.AddMetadata("dapr-caller-app-id", "forged");
  InvokeResponse response;
  // No HTTP extension: an app that speaks gRPC needs none.
  const Status status = door.stub().InvokeService(&context, invocation("a/../b"), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.data().value(), "data");
  EXPECT_EQ(response.data().type_url(), "type.googleapis.com/own.Type");
  EXPECT_EQ(response.content_type(), "own/type");
  EXPECT_EQ(app.asked().method(), "b");
  EXPECT_FALSE(app.asked().has_http_extension());
  const auto metadata = app.metadata();
  EXPECT_EQ(metadata.find("key")->second, "value");
  EXPECT_EQ(metadata.find("dapr-api-token")->second, "for the app");
  EXPECT_EQ(metadata.find("dapr-caller-app-id")->second, "caller");
  EXPECT_EQ(metadata.find("dapr-callee-app-id")->second, "speaker");
  EXPECT_EQ(context.GetServerInitialMetadata().find("from-bin")->second, std::string("\1\0", 2));
  EXPECT_EQ(context.GetServerTrailingMetadata().find("after")->second, "that");
}

TEST(PassingTest, TheStatusOfAnInvocationIsTheApps) {
  TestDoor door;
  SpeakingApp app;
  door.routes.apps["speaker"] = app.route();
  ClientContext context;
  InvokeResponse response;
  const Status status = door.stub().InvokeService(&context, invocation("fail"), &response);
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "not today");
  EXPECT_EQ(status.error_details(), "details");
}

TEST(PassingTest, AClientThatLeavesCancelsItsInvocation) {
  TestDoor door;
  SpeakingApp app;
  door.routes.apps["speaker"] = app.route(1);
  ClientContext context;
  InvokeResponse response;
  const auto request = invocation("hang");
  std::promise<Status> ended;
  door.stub().async()->InvokeService(&context, &request, &response, [&](Status status) { ended.set_value(status); });
  ASSERT_TRUE(app.noted.wait_for("hangs"));
  context.TryCancel();
  EXPECT_EQ(ended.get_future().get().error_code(), StatusCode::CANCELLED);
  ASSERT_TRUE(app.noted.wait_for("cancelled"));
  // And its place is free for the next one.
  ClientContext next;
  EXPECT_TRUE(door.stub().InvokeService(&next, invocation("x"), &response).ok());
}

TEST(PassingTest, AClientThatLeavesGivesItsPlaceUp) {
  TestDoor door;
  SpeakingApp app;
  const net::grpc::CallRoute route = app.route(1);
  door.routes.apps["speaker"] = route;
  struct Pending {
    ClientContext context;
    InvokeResponse response;
    std::promise<Status> ended;
  };
  const auto request = invocation("hang");
  const auto begin = [&](Pending& one) {
    door.stub().async()->InvokeService(&one.context, &request, &one.response,
                                       [&](Status status) { one.ended.set_value(status); });
  };
  const auto waiting = [&](std::size_t count) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (route.gate->waiting() != count && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    return route.gate->waiting() == count;
  };
  Pending inside, left, late;
  begin(inside);
  ASSERT_TRUE(app.noted.wait_for("hangs"));
  begin(left);
  ASSERT_TRUE(waiting(1));
  late.context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  begin(late);
  left.context.TryCancel();
  EXPECT_EQ(left.ended.get_future().get().error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(late.ended.get_future().get().error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(waiting(0));
  inside.context.TryCancel();
  EXPECT_EQ(inside.ended.get_future().get().error_code(), StatusCode::CANCELLED);
  ASSERT_TRUE(app.noted.wait_for("cancelled"));
  EXPECT_EQ(app.noted.count("hangs"), 1) << "the app hears of neither";
}

Status call_service(TestDoor& door, ClientContext& context, const std::string& method, std::string& answer) {
  ::grpc::GenericStub stub(door.channel);
  const ::grpc::ByteBuffer message = net::grpc::buffer_of("hello");
  ::grpc::ByteBuffer response;
  std::promise<Status> ended;
  stub.UnaryCall(&context, method, {}, &message, &response, [&](Status status) { ended.set_value(std::move(status)); });
  Status status = ended.get_future().get();
  if (status.ok()) answer = net::grpc::text_of(response);
  return status;
}

TEST(PassingTest, ACallOfAnotherServiceGoesToTheAppThatItNames) {
  TestDoor door("secret");
  net::grpc::ScriptedApp app;
  door.routes.apps["speaker"] = {.app_id = "speaker",
                                 .channel = net::grpc::make_channel({.port = static_cast<std::uint16_t>(app.port())})};
  const auto call = [&](const std::string& app_id, const char* token, std::string& answer) {
    ClientContext context;
    context.AddMetadata("dapr-app-id", app_id);
    if (token != nullptr) context.AddMetadata("dapr-api-token", token);
    return call_service(door, context, "/test.Service/Echo", answer);
  };
  std::string answer;
  EXPECT_TRUE(call("speaker", "secret", answer).ok());
  EXPECT_EQ(answer, "hello");
  EXPECT_EQ(app.metadata().count("dapr-api-token"), 0U);
  EXPECT_EQ(app.metadata().find("dapr-caller-app-id")->second, "caller");
  EXPECT_EQ(call("speaker", nullptr, answer).error_code(), StatusCode::UNAUTHENTICATED);
  const Status nobody = call("nobody", "secret", answer);
  EXPECT_EQ(nobody.error_code(), StatusCode::UNKNOWN);
  EXPECT_EQ(nobody.error_message(), "couldn't find service: nobody");
}

TEST(PassingTest, DaprsOwnMethodsStayHere) {
  TestDoor door;
  ClientContext context;
  context.AddMetadata("dapr-app-id", "speaker");
  std::string answer;
  EXPECT_EQ(call_service(door, context, "/dapr.proto.runtime.v1.Dapr/TryLockAlpha1", answer).error_code(),
            StatusCode::FAILED_PRECONDITION);
}

TEST(PassingTest, ADrainWaitsForAPassedCallAndThenCutsIt) {
  TestDoor door;
  net::grpc::ScriptedApp app;
  door.routes.apps["speaker"] = {.app_id = "speaker",
                                 .channel = net::grpc::make_channel({.port = static_cast<std::uint16_t>(app.port())})};
  auto ended = std::async(std::launch::async, [&] {
    ClientContext context;
    context.AddMetadata("dapr-app-id", "speaker");
    std::string answer;
    return call_service(door, context, "/test.Service/Ask", answer);
  });
  ASSERT_TRUE(app.noted.wait_for("read"));
  std::promise<net::Drained> drained;
  door.door->drain(std::chrono::milliseconds(200), [&](net::Drained how) { drained.set_value(how); });
  EXPECT_EQ(drained.get_future().get(), net::Drained::kCut);
  EXPECT_FALSE(ended.get().ok());
  EXPECT_TRUE(app.noted.wait_for("cancelled"));
}

}  // namespace
}  // namespace tandem::api::grpc
