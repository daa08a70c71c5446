#include "net/grpc/passed_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "net/grpc/call_server.h"
#include "net/grpc/testing/scripted_app.h"
#include "net/testing/http2_peer.h"

namespace tandem::net::grpc {
namespace {

using ::grpc::ByteBuffer;
using ::grpc::Status;
using ::grpc::StatusCode;
using std::chrono::seconds;
using std::chrono::system_clock;
using testing::HasSubstr;

constexpr std::size_t kLimit = 256 * 1024;

// A client, the server that passes on, and the app behind it.
class PassedCallTest : public testing::Test {
 protected:
  PassedCallTest() {
    auto server = CallServer::listen(workers_, {.purpose = "a test"}, {.max_message_bytes = kLimit}, service_);
    if (server) server_ = std::move(*server);
    workers_.start();
    ::grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = ::grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                           ::grpc::InsecureChannelCredentials(), arguments);
  }
  ~PassedCallTest() override { stop(); }

  void stop() { server_.reset(); }

  // A call as a client sees it, one step at a time.
  class Client {
   public:
    Client(PassedCallTest& test, const std::string& method, std::string app_id = "app") : stub_(test.channel_) {
      if (!app_id.empty()) context.AddMetadata("dapr-app-id", app_id);
      context.set_deadline(system_clock::now() + seconds(20));
      method_ = "/test.Service/" + method;
    }
    ~Client() {
      queue_.Shutdown();
      void* tag = nullptr;
      bool ok = false;
      while (queue_.Next(&tag, &ok)) continue;
    }

    bool start() {
      call_ = stub_.PrepareCall(&context, method_, &queue_);
      call_->StartCall(nullptr);
      return step();
    }
    bool head() {
      call_->ReadInitialMetadata(nullptr);
      return step();
    }
    bool write(const std::string& text) {
      call_->Write(buffer_of(text), nullptr);
      return step();
    }
    bool done() {
      call_->WritesDone(nullptr);
      return step();
    }
    std::optional<std::string> read() {
      ByteBuffer buffer;
      call_->Read(&buffer, nullptr);
      if (!step()) return std::nullopt;
      return text_of(buffer);
    }
    Status finish() {
      Status status;
      call_->Finish(&status, nullptr);
      EXPECT_TRUE(step());
      return status;
    }
    // One message there, and what comes back.
    Status unary(const std::string& text, std::string* answer = nullptr) {
      start();
      write(text);
      done();
      const auto read_text = read();
      if (answer != nullptr && read_text) *answer = *read_text;
      return finish();
    }

    ::grpc::ClientContext context;

   private:
    bool step() {
      void* tag = nullptr;
      bool ok = false;
      return queue_.Next(&tag, &ok) && ok;
    }

    ::grpc::GenericStub stub_;
    std::string method_;
    ::grpc::CompletionQueue queue_;
    std::unique_ptr<::grpc::GenericClientAsyncReaderWriter> call_;
  };

  std::atomic<int> broken_ = 0;
  ScriptedApp app_;
  OneRoute route_{
      {.app_id = "app",
       .channel = make_channel({.port = static_cast<std::uint16_t>(app_.port()), .max_message_bytes = kLimit}),
       .metadata = {{"dapr-api-token", "for the app"}},
       .broken = [this] { ++broken_; }}};
  PassingService service_{"app", route_};
  net::Workers workers_{2};
  std::unique_ptr<CallServer> server_;
  std::shared_ptr<::grpc::Channel> channel_;
};

TEST_F(PassedCallTest, AUnaryCallGoesThereAndBack) {
  Client client(*this, "Echo");
  std::string answer;
  const std::string bytes("\0any\xff bytes", 11);
  const Status status = client.unary(bytes, &answer);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answer, bytes);
}

TEST_F(PassedCallTest, AnEmptyMessageIsAMessage) {
  Client client(*this, "Echo");
  std::string answer = "none";
  ASSERT_TRUE(client.unary("", &answer).ok());
  EXPECT_EQ(answer, "");
}

TEST_F(PassedCallTest, AClientStreamsAndTheAppHearsItsEnd) {
  Client client(*this, "Count");
  ASSERT_TRUE(client.start());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client.write("message"));
  ASSERT_TRUE(client.done());
  EXPECT_EQ(client.read(), "50");
  EXPECT_TRUE(client.finish().ok());
}

TEST_F(PassedCallTest, AnAppStreamsAsManyAsItLikes) {
  Client client(*this, "Numbers");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.write("200"));
  ASSERT_TRUE(client.done());
  for (int i = 200; i > 0; --i) ASSERT_EQ(client.read(), std::to_string(i));
  EXPECT_EQ(client.read(), std::nullopt);
  EXPECT_TRUE(client.finish().ok());
}

TEST_F(PassedCallTest, BothSidesTalkInTurns) {
  Client client(*this, "Echo");
  ASSERT_TRUE(client.start());
  for (int i = 0; i < 20; ++i) {
    const std::string text = "turn " + std::to_string(i);
    ASSERT_TRUE(client.write(text));
    ASSERT_EQ(client.read(), text);
  }
  ASSERT_TRUE(client.done());
  EXPECT_EQ(client.read(), std::nullopt);
  EXPECT_TRUE(client.finish().ok());
}

TEST_F(PassedCallTest, HeadersComeBeforeTheFirstMessage) {
  Client client(*this, "Early");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.head());
  EXPECT_EQ(client.context.GetServerInitialMetadata().find("early")->second, "bird");
  ASSERT_TRUE(client.write("then"));
  EXPECT_EQ(client.read(), "then");
  ASSERT_TRUE(client.done());
  EXPECT_TRUE(client.finish().ok());
}

TEST_F(PassedCallTest, StatusDetailsAndMetadataComeBack) {
  Client client(*this, "Fail");
  const Status status = client.unary("x");
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "not \xe2\x9c\x93 now");
  EXPECT_EQ(status.error_details(), std::string("det\0ails", 8));
  const auto& trailers = client.context.GetServerTrailingMetadata();
  EXPECT_EQ(trailers.find("trail")->second, "er");
  EXPECT_EQ(trailers.find("trail-bin")->second, std::string("\2\0\xfe", 3));
  EXPECT_EQ(trailers.count("grpc-status-details-bin"), 1U);
}

TEST_F(PassedCallTest, MetadataAndDeadlineGoOnAndDaprsOwnDoNot) {
  Client client(*this, "Echo");
  client.context.AddMetadata("key", "one");
  client.context.AddMetadata("key", "two");
  client.context.AddMetadata("raw-bin", std::string("\0\xff", 2));
  client.context.AddMetadata("dapr-api-token", "for the sidecar");
  client.context.AddMetadata("dapr-caller-app-id", "peer");
  ASSERT_TRUE(client.unary("x").ok());
  const auto metadata = app_.metadata();
  EXPECT_EQ(metadata.count("key"), 2U);
  EXPECT_EQ(metadata.find("raw-bin")->second, std::string("\0\xff", 2));
  EXPECT_EQ(metadata.count("dapr-api-token"), 1U);
  EXPECT_EQ(metadata.find("dapr-api-token")->second, "for the app");
  EXPECT_EQ(metadata.find("dapr-caller-app-id")->second, "peer");
  EXPECT_EQ(metadata.count("dapr-app-id"), 0U);
  const auto left = app_.deadline() - system_clock::now();
  EXPECT_GT(left, seconds(1));
  EXPECT_LT(left, seconds(21));
}

TEST_F(PassedCallTest, ADeadlineEndsBothHalves) {
  Client client(*this, "Ask");
  client.context.set_deadline(system_clock::now() + std::chrono::milliseconds(200));
  EXPECT_EQ(client.unary("x").error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(app_.noted.wait_for("cancelled"));
}

TEST_F(PassedCallTest, AClientThatLeavesCancelsTheApp) {
  Client client(*this, "Ask");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.write("x"));
  ASSERT_TRUE(app_.noted.wait_for("read"));
  client.context.TryCancel();
  EXPECT_EQ(client.finish().error_code(), StatusCode::CANCELLED);
  EXPECT_TRUE(app_.noted.wait_for("cancelled"));
  stop();
  EXPECT_EQ(service_.cancelled(), 1U);
}

TEST_F(PassedCallTest, AnAppThatEndsWhileTheClientSendsIsHeard) {
  Client client(*this, "Cut");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.write("x"));
  // No end of the client's messages: the status comes all the same.
  EXPECT_EQ(client.read(), std::nullopt);
  const Status status = client.finish();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "enough");
  EXPECT_EQ(broken_, 0);
}

TEST_F(PassedCallTest, AnAppThatSaysItIsUnavailableIsThere) {
  Client client(*this, "Away");
  const Status status = client.unary("x");
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "not at home");
  EXPECT_EQ(broken_, 0) << "its connection is a good one";
}

TEST_F(PassedCallTest, AnAppThatIsGoneIsUnavailable) {
  {
    Client before(*this, "Echo");
    ASSERT_TRUE(before.unary("x").ok());
  }
  EXPECT_EQ(broken_, 0);
  app_.stop();
  Client client(*this, "Echo");
  EXPECT_EQ(client.unary("x").error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(broken_, 1) << "the next call looks for another way";
}

TEST_F(PassedCallTest, AnAppThatDiesInTheMiddleEndsTheCall) {
  Client client(*this, "Ask");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.write("x"));
  ASSERT_TRUE(app_.noted.wait_for("read"));
  app_.stop();
  EXPECT_EQ(client.read(), std::nullopt);
  EXPECT_FALSE(client.finish().ok());
}

TEST_F(PassedCallTest, MessagesHaveALimitInBothDirections) {
  Client fits(*this, "Echo");
  EXPECT_TRUE(fits.unary(std::string(kLimit - 100, 'x')).ok());
  Client too_large(*this, "Echo");
  EXPECT_EQ(too_large.unary(std::string(kLimit + 1, 'x')).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  app_.padding = std::string(kLimit + 1, 'x');
  Client answer(*this, "Numbers");
  EXPECT_EQ(answer.unary("1").error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(PassedCallTest, AClientThatDoesNotReadHoldsTheAppBack) {
  // 125 MiB together: more than twice what gRPC's windows let through on their own, which grow to many MiB a hop.
  constexpr int kMessages = 2000;
  app_.padding = std::string(64 * 1024, 'x');
  Client client(*this, "Numbers");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(client.write(std::to_string(kMessages)));
  ASSERT_TRUE(client.read().has_value());
  // Time enough for all of them, if nothing held them back: other calls go there and back.
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Client(*this, "Echo").unary("x").ok());
  EXPECT_LT(app_.noted.count("written") - 200, kMessages / 2);
  int read = 1;
  while (client.read()) ++read;
  EXPECT_EQ(read, kMessages);
  EXPECT_TRUE(client.finish().ok());
}

TEST_F(PassedCallTest, WhoeverNamesNoAppOrAnotherIsRefused) {
  Client nobody(*this, "Echo", "");
  const Status status = nobody.unary("x");
  EXPECT_EQ(status.error_code(), StatusCode::UNKNOWN);
  EXPECT_THAT(status.error_message(), HasSubstr("required metadata dapr-callee-app-id or dapr-app-id not found"));
  Client other(*this, "Echo", "other");
  EXPECT_EQ(other.unary("x").error_message(), "couldn't find service: other");
  Client callee(*this, "Echo", "other");
  callee.context.AddMetadata("dapr-callee-app-id", "app");
  EXPECT_TRUE(callee.unary("x").ok());
}

TEST_F(PassedCallTest, AClientMayLeaveWhileItsAppIsLookedFor) {
  route_.keeps = true;
  Client client(*this, "Echo");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(route_.noted.wait_for("kept"));
  client.context.TryCancel();
  EXPECT_EQ(client.finish().error_code(), StatusCode::CANCELLED);
  stop();
  EXPECT_EQ(service_.cancelled(), 1U);
  std::exchange(route_.kept, nullptr)(*route_.here("app"));
}

TEST_F(PassedCallTest, ALookupThatNeverEndsIsAnAnswer) {
  route_.keeps = true;
  Client client(*this, "Echo");
  ASSERT_TRUE(client.start());
  ASSERT_TRUE(route_.noted.wait_for("kept"));
  route_.kept = nullptr;
  EXPECT_EQ(client.finish().error_code(), StatusCode::UNAVAILABLE);
}

// The library keeps a trace in this form from the programs on top of it: the app is one of ours, by hand.
TEST_F(PassedCallTest, ATraceInItsBinaryFormGoesOn) {
  ServerOptions options = http2();
  options.own_headers = OwnHeaders::kNone;
  std::string seen;
  TestServer app(
      [&seen](std::unique_ptr<Exchange> exchange) {
        for (const Header& header : exchange->head().headers)
          seen.append(header.name).append("=").append(header.value) += ';';
        const Header answer[] = {{"content-type", "application/grpc"}, {"grpc-status", "0"}};
        exchange->respond(200, answer, {});
      },
      options);
  OneRoute route({.app_id = "app", .channel = make_channel({.port = app.port(), .max_message_bytes = kLimit})});
  PassingService service("app", route);
  const auto server = CallServer::listen(workers_, {.purpose = "a test"}, {}, service);
  ASSERT_TRUE(server);
  Http2Peer peer((*server)->port());
  const auto id = peer.request("POST", "/test.Service/Any",
                               {{"content-type", "application/grpc"},
                                {"dapr-app-id", "app"},
                                {"grpc-trace-bin", "AABLvzgm6IB1RZw"},
                                {"grpc-previous-rpc-attempts", "1"},
                                {"odd", "caf\xc3\xa9"},
                                {"plain", "text"}},
                               "");
  EXPECT_THAT(peer.answer(id).headers, HasSubstr("grpc-status=0;"));
  EXPECT_THAT(seen, HasSubstr("grpc-trace-bin=AABLvzgm6IB1RZw"));
  EXPECT_THAT(seen, HasSubstr("plain=text;"));
  // What the library would end the process for.
  EXPECT_THAT(seen, testing::Not(HasSubstr("odd=")));
  EXPECT_THAT(seen, testing::Not(HasSubstr("previous")));
}

TEST(CallGateTest, TakesAsManyAsItMayAndTheOthersInOrder) {
  CallGate gate(2);
  std::string ran;
  const auto enter = [&](char name) {
    Task task = [&ran, name] { ran += name; };
    return gate.enter(task);
  };
  for (const char name : {'a', 'b', 'c', 'd'}) EXPECT_TRUE(enter(name));
  EXPECT_EQ(ran, "ab");
  gate.leave();
  EXPECT_EQ(ran, "abc");
  gate.leave();
  gate.leave();
  EXPECT_EQ(ran, "abcd");
  EXPECT_TRUE(enter('e'));
  EXPECT_EQ(ran, "abcde");
}

TEST(CallGateTest, WhoGivesHisPlaceUpIsPassedOver) {
  CallGate gate(1);
  std::string ran;
  const auto enter = [&](char name) {
    Task task = [&ran, name] { ran += name; };
    CallGate::Place place = 0;
    EXPECT_TRUE(gate.enter(task, place));
    return place;
  };
  const CallGate::Place inside = enter('a');
  const CallGate::Place first = enter('b');
  const CallGate::Place second = enter('c');
  EXPECT_EQ(inside, 0U);
  EXPECT_EQ(gate.waiting(), 2U);
  gate.give_up(first);
  gate.give_up(first);
  gate.give_up(0);
  EXPECT_EQ(gate.waiting(), 1U);
  gate.leave();
  EXPECT_EQ(ran, "ac");
  gate.give_up(second);
  gate.leave();
  EXPECT_EQ(enter('d'), 0U);
  EXPECT_EQ(ran, "acd");
}

}  // namespace
}  // namespace tandem::net::grpc
