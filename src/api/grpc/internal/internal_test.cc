#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <future>
#include <thread>

#include "api/grpc/internal/testing/two_sidecars.h"
#include "dapr/proto/internals/v1/service_invocation.grpc.pb.h"

namespace tandem::api::grpc {
namespace {

using ::testing::HasSubstr;

// A body that comes in pieces, each when it is asked for.
class Pieces final : public net::BodySource {
 public:
  Pieces(std::size_t count, std::size_t size) : left_(count), piece_(size, 'x') {}
  void read(Completion<std::string_view> done) override {
    if (left_ == 0) return done(std::string_view());
    --left_;
    piece_[0] = static_cast<char>('a' + left_ % 26);
    done(std::string_view(piece_));
  }
  std::optional<std::string_view> take_whole() override { return std::nullopt; }

 private:
  std::size_t left_;
  std::string piece_;
};

std::string whole_of(std::size_t count, std::size_t size) {
  std::string all;
  for (std::size_t left = count; left-- > 0;) {
    all += std::string(1, static_cast<char>('a' + left % 26)) + std::string(size - 1, 'x');
  }
  return all;
}

TEST(Internal, ARequestAndItsAnswer) {
  TwoSidecars sidecars;
  const Answered answer = sidecars.call({.method = "PUT",
                                         .target = "/a%20b/c?q=1&r",
                                         .headers = {{"content-type", "application/json"},
                                                     {"x-mine", "1"},
                                                     {"X-Mine", "2"},
                                                     {"dapr-caller-app-id", "caller"},
                                                     {"content-length", "5"}}},
                                        std::string("hello"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain;");
  EXPECT_EQ(answer.headers.at("x-twice"), "a;b;");
  EXPECT_FALSE(answer.headers.contains("connection"));
  EXPECT_EQ(sidecars.app.method, "PUT");
  EXPECT_EQ(sidecars.app.target, "/a%20b/c?q=1&r");
  EXPECT_EQ(sidecars.app.authority, "127.0.0.1:8080");
  EXPECT_EQ(sidecars.app.caller, "caller");
  const auto& headers = sidecars.app.headers;
  EXPECT_EQ(headers.at("content-type"), "application/json;");
  EXPECT_EQ(headers.at("content-length"), "5;");
  EXPECT_EQ(headers.at("x-mine"), "1;2;");
  EXPECT_EQ(headers.at("dapr-caller-app-id"), "caller;");
  EXPECT_EQ(headers.at("dapr-callee-app-id"), "callee;");
  EXPECT_EQ(headers.at("dapr-caller-namespace"), "default;");
  EXPECT_EQ(headers.at("x-forwarded-for"), "192.0.2.7;");
  EXPECT_EQ(headers.at("x-forwarded-host"), "here;");
  EXPECT_EQ(headers.at("forwarded"), "for=192.0.2.7;by=192.0.2.7;host=here;");
  EXPECT_FALSE(headers.contains("destination-app-id"));
}

TEST(Internal, AnswersOfEveryKind) {
  TwoSidecars sidecars;
  const Answered whole = sidecars.call({.target = "/whole"}, std::string());
  EXPECT_EQ(whole.status, 201);
  EXPECT_EQ(whole.body, "whole");
  EXPECT_EQ(whole.headers.at("content-length"), "5;");
  const Answered nothing = sidecars.call({.target = "/nothing"}, std::string());
  EXPECT_EQ(nothing.status, 204);
  EXPECT_FALSE(nothing.headers.contains("content-length"));
  EXPECT_EQ(sidecars.call({.method = "HEAD", .target = "/whole"}, std::string()).status, 201);
  EXPECT_EQ(sidecars.call({.target = "/dropped"}, std::string()).status, 500);
  const Answered cut = sidecars.call({.target = "/cut"}, std::string());
  ASSERT_TRUE(cut.error);
  const Answered refused = sidecars.call({.target = "/refused"}, std::string());
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->message, "rpc error: code = Internal desc = error invoking app channel: the app is asleep");
}

TEST(Internal, BodiesStreamBothWays) {
  TwoSidecars sidecars;
  const Answered answer = sidecars.call({.method = "POST", .target = "/echo"}, std::make_unique<Pieces>(200, 50'000));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == whole_of(200, 50'000));
}

TEST(Internal, AWholeBodyOfManyPiecesArrives) {
  TwoSidecars sidecars;
  std::string body = whole_of(1, 300'000);
  const Answered answer = sidecars.call({.method = "POST", .target = "/echo"}, body);
  EXPECT_TRUE(answer.body == body);
  EXPECT_EQ(sidecars.app.headers.at("content-length"), "300000;");
}

TEST(Internal, NobodyIsThere) {
  TwoSidecars sidecars;
  sidecars.names.addresses = {"127.0.0.1:1"};
  const Answered answer = sidecars.call({.target = "/"}, std::string());
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->code, Code::kUnavailable);
  EXPECT_THAT(answer.error->message, ::testing::StartsWith("failed to invoke target callee after 3 retries. Error: rpc "
                                                           "error: code = Unavailable desc = "));
  EXPECT_EQ(sidecars.names.forgotten.size(), 4u);
  // A body without a length is sent once.
  const Answered streamed = sidecars.call({.method = "POST", .target = "/"}, std::make_unique<Pieces>(2, 10));
  ASSERT_TRUE(streamed.error);
  EXPECT_THAT(streamed.error->message, ::testing::StartsWith("rpc error: code = Unavailable"));
  EXPECT_EQ(sidecars.names.forgotten.size(), 5u);
  // The caller has policies of its own.
  sidecars.has_policies = true;
  const Answered once = sidecars.call({.target = "/"}, std::string());
  ASSERT_TRUE(once.error);
  EXPECT_THAT(once.error->message, ::testing::StartsWith("rpc error: code = Unavailable"));
  EXPECT_EQ(sidecars.names.forgotten.size(), 6u);
}

TEST(Internal, AnAppThatMovedIsFoundAgain) {
  TwoSidecars sidecars;
  EXPECT_EQ(sidecars.call({.target = "/whole"}, std::string()).status, 201);
  auto moved = sidecars.listen();
  const std::string old = sidecars.address();
  sidecars.door = std::move(moved);
  sidecars.names.addresses = {old, sidecars.address()};
  const Answered answer = sidecars.call({.method = "POST", .target = "/echo", .headers = {{"content-length", "20"}}},
                                        std::make_unique<Pieces>(2, 10));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, whole_of(2, 10));
}

TEST(Internal, ADoorThatIsReplacedServesTheConnectionsThatItHas) {
  TwoSidecars sidecars;
  EXPECT_EQ(sidecars.call({.target = "/whole"}, std::string()).status, 201);
  sidecars.door->stop_accepting();
  EXPECT_EQ(sidecars.call({.target = "/whole"}, std::string()).status, 201);
  const auto stub =
      peer::ServiceInvocation::NewStub(::grpc::CreateChannel(sidecars.address(), ::grpc::InsecureChannelCredentials()));
  ::grpc::ClientContext context;
  peer::InternalInvokeResponse response;
  EXPECT_EQ(stub->CallLocal(&context, {}, &response).error_code(), ::grpc::StatusCode::UNAVAILABLE);
}

TEST(Internal, AnUnknownNameAndAnotherNamespace) {
  TwoSidecars sidecars;
  EXPECT_EQ(sidecars.call({.authority = "callee.elsewhere", .target = "/whole"}, std::string()).status, 201);
  EXPECT_EQ(sidecars.names.asked, "callee/elsewhere");
  EXPECT_EQ(sidecars.app.headers.at("dapr-callee-app-id"), "callee;");
  sidecars.names.addresses.clear();
  const Answered answer = sidecars.call({.target = "/"}, std::string());
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->message, "couldn't find service: callee");
}

TEST(Internal, ASidecarThatDiesCutsTheAnswer) {
  TwoSidecars sidecars;
  class Endless final : public net::BodySource {
   public:
    void read(Completion<std::string_view> done) override {
      if (!std::exchange(given_, true)) return done("once");
      kept_ = std::move(done);
    }
    std::optional<std::string_view> take_whole() override { return std::nullopt; }

   private:
    bool given_ = false;
    Completion<std::string_view> kept_;
  };
  sidecars.begin({.method = "POST", .target = "/echo"}, std::make_unique<Endless>());
  sidecars.wait_for_body();
  sidecars.door.reset();
  const Answered answer = sidecars.wait();
  EXPECT_EQ(answer.body, "once");
  EXPECT_TRUE(answer.error);
}

TEST(Internal, ARequestThatBreaksOffCutsTheAnswer) {
  TwoSidecars sidecars;
  // Goes on when the test says so.
  class Broken final : public net::BodySource {
   public:
    Broken(Completion<std::string_view>& kept, std::promise<void>& asked) : kept_(kept), asked_(asked) {}
    void read(Completion<std::string_view> done) override {
      if (!std::exchange(given_, true)) return done("once");
      kept_ = std::move(done);
      asked_.set_value();
    }
    std::optional<std::string_view> take_whole() override { return std::nullopt; }

   private:
    bool given_ = false;
    Completion<std::string_view>& kept_;
    std::promise<void>& asked_;
  };
  Completion<std::string_view> rest;
  std::promise<void> asked;
  sidecars.begin({.method = "POST", .target = "/echo"}, std::make_unique<Broken>(rest, asked));
  sidecars.wait_for_body();
  asked.get_future().wait();
  sidecars.workers[1].post([&] { std::exchange(rest, nullptr)(fail(Code::kResourceExhausted, "stream too large")); });
  const Answered answer = sidecars.wait();
  EXPECT_EQ(answer.body, "once");
  EXPECT_TRUE(answer.error);
}

// What other sidecars send, by hand.
class Raw final {
 public:
  explicit Raw(TwoSidecars& sidecars)
      : stub_(peer::ServiceInvocation::NewStub(
            ::grpc::CreateChannel(sidecars.address(), ::grpc::InsecureChannelCredentials()))),
        stream_(stub_->CallLocalStream(&context_)) {}

  static peer::InternalInvokeRequest request() {
    peer::InternalInvokeRequest request;
    (*request.mutable_metadata())["X-Any"].add_values("1");
    request.mutable_message()->set_method("echo");
    request.mutable_message()->mutable_http_extension()->set_verb(::dapr::proto::common::v1::HTTPExtension::POST);
    return request;
  }
  void send(const peer::InternalInvokeRequestStream& message) { stream_->Write(message); }
  void send_payload(const std::string& data, std::uint64_t seq) {
    peer::InternalInvokeRequestStream message;
    message.mutable_payload()->set_data(data);
    message.mutable_payload()->set_seq(seq);
    send(message);
  }
  ::grpc::Status end() {
    stream_->WritesDone();
    peer::InternalInvokeResponseStream message;
    while (stream_->Read(&message)) body += message.payload().data();
    return stream_->Finish();
  }
  peer::ServiceInvocation::Stub& stub() { return *stub_; }
  std::string body;

 private:
  std::unique_ptr<peer::ServiceInvocation::Stub> stub_;
  ::grpc::ClientContext context_;
  std::unique_ptr<::grpc::ClientReaderWriter<peer::InternalInvokeRequestStream, peer::InternalInvokeResponseStream>>
      stream_;
};

TEST(Internal, MessagesThatBreakTheRulesAreRefused) {
  TwoSidecars sidecars;
  Raw nothing(sidecars);
  EXPECT_EQ(nothing.end().error_code(), ::grpc::StatusCode::INVALID_ARGUMENT);

  Raw no_head(sidecars);
  no_head.send_payload("x", 0);
  ::grpc::Status status = no_head.end();
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(),
            "parsing InternalInvokeRequest error: request does not contain the required fields in the leading chunk");

  Raw traversal(sidecars);
  peer::InternalInvokeRequestStream message;
  *message.mutable_request() = Raw::request();
  message.mutable_request()->mutable_message()->set_method("a?b");
  traversal.send(message);
  status = traversal.end();
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("invalid method"));

  Raw no_verb(sidecars);
  *message.mutable_request() = Raw::request();
  message.mutable_request()->mutable_message()->clear_http_extension();
  no_verb.send(message);
  status = no_verb.end();
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(),
            "error invoking app channel: rpc error: code = InvalidArgument desc = missing HTTP extension field");

  Raw wrong_order(sidecars);
  *message.mutable_request() = Raw::request();
  wrong_order.send(message);
  wrong_order.send_payload("a", 0);
  wrong_order.send_payload("b", 2);
  EXPECT_FALSE(wrong_order.end().ok());
  ASSERT_TRUE(sidecars.app.body_error);
  EXPECT_EQ(sidecars.app.body_error->message, "invalid sequence number received: 2 (expected: 1)");
}

// As a daprd does it.
TEST(Internal, ACallerThatSendsAllBeforeItReads) {
  TwoSidecars sidecars;
  Raw raw(sidecars);
  peer::InternalInvokeRequestStream message;
  *message.mutable_request() = Raw::request();
  raw.send(message);
  const std::string piece(30'000, 'x');
  for (std::uint64_t seq = 0; seq < 100; ++seq) raw.send_payload(piece, seq);
  EXPECT_TRUE(raw.end().ok());
  EXPECT_EQ(raw.body.size(), 100 * piece.size());
}

TEST(Internal, AGetHasNoBodyUntilSomeOfItCame) {
  using ::dapr::proto::common::v1::HTTPExtension;
  TwoSidecars sidecars;
  peer::InternalInvokeRequestStream message;
  *message.mutable_request() = Raw::request();
  message.mutable_request()->mutable_message()->mutable_http_extension()->set_verb(HTTPExtension::GET);
  message.mutable_request()->mutable_message()->set_method("whole");
  Raw without(sidecars);
  without.send(message);
  EXPECT_TRUE(without.end().ok());
  EXPECT_EQ(without.body, "whole");
  EXPECT_TRUE(sidecars.app.without_body);

  message.mutable_request()->mutable_message()->set_method("echo");
  Raw with(sidecars);
  with.send(message);
  with.send_payload("a", 0);
  with.send_payload("b", 1);
  EXPECT_TRUE(with.end().ok());
  EXPECT_EQ(with.body, "ab");
}

TEST(Internal, CallLocal) {
  TwoSidecars sidecars;
  Raw raw(sidecars);
  peer::InternalInvokeRequest request = Raw::request();
  request.mutable_message()->mutable_data()->set_value("all of it");
  request.mutable_message()->set_content_type("text/x");
  ::grpc::ClientContext context;
  peer::InternalInvokeResponse response;
  const ::grpc::Status status = raw.stub().CallLocal(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.status().code(), 200);
  EXPECT_EQ(response.message().data().value(), "all of it");
  EXPECT_EQ(response.message().content_type(), "text/plain");
  EXPECT_EQ(sidecars.app.headers.at("content-type"), "text/x;");
  EXPECT_EQ(sidecars.app.caller, "unknown");
}

TEST(Internal, AnAppThatIsNotThereYet) {
  net::Workers workers{1};
  invoke::InvokeService invoke;
  const auto door = *InternalDoor::listen(workers, {.purpose = "a test"},
                                          {.app_id = "callee", .invoke = invoke, .workers = {&workers[0]}});
  workers.start();
  const auto stub = peer::ServiceInvocation::NewStub(
      ::grpc::CreateChannel("127.0.0.1:" + std::to_string(door->port()), ::grpc::InsecureChannelCredentials()));
  ::grpc::ClientContext context;
  peer::InternalInvokeResponse response;
  const ::grpc::Status status = stub->CallLocal(&context, Raw::request(), &response);
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "app channel is not initialized");
}

// A sidecar of before the stream; its app speaks gRPC.
class OldSidecar final : public peer::ServiceInvocation::Service {
 public:
  OldSidecar() {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  int port = 0;
  int code = 200;

 private:
  ::grpc::Status CallLocal(::grpc::ServerContext*, const peer::InternalInvokeRequest* request,
                           peer::InternalInvokeResponse* response) override {
    response->mutable_status()->set_code(code);
    response->mutable_status()->set_message("said so");
    response->mutable_message()->mutable_data()->set_value("old: " + request->message().data().value());
    return ::grpc::Status::OK;
  }
  std::unique_ptr<::grpc::Server> server_;
};

TEST(Internal, AnOldSidecarIsCalledWithTheWholeMessage) {
  OldSidecar old;
  TwoSidecars sidecars;
  sidecars.names.addresses = {"127.0.0.1:" + std::to_string(old.port)};
  EXPECT_EQ(sidecars.call({.method = "POST", .target = "/echo"}, std::string("x")).body, "old: x");
  old.code = 5;
  const Answered failed = sidecars.call({.method = "POST", .target = "/echo"}, std::string("x"));
  EXPECT_EQ(failed.status, 404);
  EXPECT_EQ(failed.body, R"({"code":5,"message":"said so"})");
}

// Has no stream either, and an app that does not answer: a call ends when its caller gives up.
class SlowOldSidecar final : public peer::ServiceInvocation::CallbackService {
 public:
  SlowOldSidecar() {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", ::grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  int port = 0;
  std::promise<void> called;
  std::promise<void> given_up;

 private:
  class Call final : public ::grpc::ServerUnaryReactor {
   public:
    explicit Call(SlowOldSidecar& sidecar) : sidecar_(sidecar) { sidecar_.called.set_value(); }

   private:
    void OnCancel() override {
      sidecar_.given_up.set_value();
      Finish(::grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }
    SlowOldSidecar& sidecar_;
  };
  ::grpc::ServerUnaryReactor* CallLocal(::grpc::CallbackServerContext*, const peer::InternalInvokeRequest*,
                                        peer::InternalInvokeResponse*) override {
    return new Call(*this);
  }
  std::unique_ptr<::grpc::Server> server_;
};

TEST(Internal, AnOldSidecarThatDoesNotAnswerHoldsNobodyUp) {
  SlowOldSidecar old;
  auto sidecars = std::make_unique<TwoSidecars>();
  sidecars->names.addresses = {"127.0.0.1:" + std::to_string(old.port)};
  sidecars->begin({.method = "POST", .target = "/echo"}, std::string("x"));
  old.called.get_future().wait();
  sidecars.reset();
  old.given_up.get_future().wait();
}

TEST(Internal, TheWayToAnAppIsOneChannel) {
  TwoSidecars sidecars;
  std::thread::id ended_on;
  // As the doors do, from another thread than a worker's.
  const auto find = [&] {
    std::promise<Result<net::grpc::CallRoute>> found;
    sidecars.remote->find_route("callee", "", 0, [&](Result<net::grpc::CallRoute> route) {
      ended_on = std::this_thread::get_id();
      found.set_value(std::move(route));
    });
    return found.get_future().get();
  };
  std::promise<std::thread::id> worker;
  sidecars.workers[0].post([&] { worker.set_value(std::this_thread::get_id()); });
  const std::thread::id expected = worker.get_future().get();
  const net::grpc::CallRoute first = *find();
  EXPECT_EQ(ended_on, expected) << "channels that end there wait for gRPC's threads";
  EXPECT_EQ(find()->channel, first.channel);
  first.broken();
  EXPECT_THAT(sidecars.names.forgotten, ::testing::ElementsAre(sidecars.address()));
  EXPECT_NE(find()->channel, first.channel) << "a connection that failed is not used again";
  EXPECT_EQ(sidecars.names.asked, "callee/default");
  sidecars.names.addresses.clear();
  EXPECT_EQ(find().error().message, "couldn't find service: callee");
  EXPECT_EQ(ended_on, expected);
}

TEST(PeerChannels, OnesThatAreIdleAreClosed) {
  PeerChannels channels(1 << 20, std::chrono::seconds(-1));
  PeerChannel one = channels.get("127.0.0.1:1");
  EXPECT_EQ(channels.get("127.0.0.1:1"), one);
  (void)channels.get("127.0.0.1:2");
  EXPECT_EQ(channels.size(), 2u) << "one is in use";
  one.reset();
  (void)channels.get("127.0.0.1:2");
  EXPECT_EQ(channels.size(), 1u);
  PeerChannel dropped = channels.get("127.0.0.1:2");
  channels.drop("127.0.0.1:2", dropped);
  EXPECT_EQ(channels.size(), 0u);
  EXPECT_NE(channels.get("127.0.0.1:2"), dropped);
  // Whoever lets go of it last is not the one who ends it.
  const std::weak_ptr<::grpc::Channel> end = dropped;
  dropped.reset();
  EXPECT_FALSE(end.expired());
  (void)channels.get("127.0.0.1:2");
  EXPECT_TRUE(end.expired());
  EXPECT_EQ(target_of("127.0.0.1:1"), "ipv4:127.0.0.1:1");
  EXPECT_EQ(target_of("[::1]:1"), "ipv6:[::1]:1");
  EXPECT_EQ(target_of("orders.example.com:1"), "dns:///orders.example.com:1");
}

}  // namespace
}  // namespace tandem::api::grpc
