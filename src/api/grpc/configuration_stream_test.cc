// Secrets and configuration over gRPC, and the streams of updates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "api/grpc/testing/test_door.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using ::grpc::ClientContext;
using ::grpc::Status;
using ::grpc::StatusCode;
using Update = wire::SubscribeConfigurationResponse;

// A client's stream; the first message, which has the id, is read.
struct Stream {
  explicit Stream(TestDoor& door, const std::string& key = "key") {
    wire::SubscribeConfigurationRequest request;
    request.set_store_name("items");
    request.add_keys(key);
    reader = door.stub().SubscribeConfiguration(&context, request);
    Update first;
    if (!reader->Read(&first)) return;
    id = first.id();
    EXPECT_TRUE(first.items().empty());
  }

  ClientContext context;
  std::unique_ptr<::grpc::ClientReader<Update>> reader;
  std::string id;
};

bool comes(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return condition();
}

TEST(ConfigurationStreamTest, Secrets) {
  TestDoor door;
  wire::GetSecretRequest request;
  request.set_store_name("vault");
  request.set_key("key");
  wire::GetSecretResponse response;
  ClientContext first;
  ASSERT_TRUE(door.stub().GetSecret(&first, request, &response).ok());
  EXPECT_EQ(response.data().at("key"), "value");
  wire::GetBulkSecretRequest all;
  all.set_store_name("vault");
  wire::GetBulkSecretResponse every;
  ClientContext second;
  ASSERT_TRUE(door.stub().GetBulkSecret(&second, all, &every).ok());
  EXPECT_EQ(every.data().at("key").secrets().at("key"), "value");
  request.set_key("none");
  ClientContext third;
  const Status missing = door.stub().GetSecret(&third, request, &response);
  EXPECT_EQ(missing.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(missing.error_message(),
            "failed getting secret with key none from secret store vault: secret none not found");
  EXPECT_TRUE(missing.error_details().empty());
}

TEST(ConfigurationStreamTest, Items) {
  TestDoor door;
  wire::GetConfigurationRequest request;
  request.set_store_name("items");
  wire::GetConfigurationResponse response;
  ClientContext first;
  ASSERT_TRUE(door.stub().GetConfiguration(&first, request, &response).ok());
  EXPECT_EQ(response.items().at("key").value(), "value");
  EXPECT_EQ(response.items().at("key").version(), "1");
  request.add_keys("broken");
  ClientContext second;
  const Status broken = door.stub().GetConfigurationAlpha1(&second, request, &response);
  EXPECT_EQ(broken.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(broken.error_message(), "failed to get [broken] from Configuration store items: store on fire");
}

TEST(ConfigurationStreamTest, UpdatesCome) {
  TestDoor door;
  Stream stream(door);
  ASSERT_FALSE(stream.id.empty());
  for (const std::string value : {"1", "2"}) {
    door.items->change("key", {.value = value, .version = "v"});
    Update update;
    ASSERT_TRUE(stream.reader->Read(&update));
    EXPECT_EQ(update.id(), stream.id);
    EXPECT_EQ(update.items().at("key").value(), value);
  }
  stream.context.TryCancel();
  EXPECT_EQ(stream.reader->Finish().error_code(), StatusCode::CANCELLED);
  // A client that leaves has no subscription any more.
  EXPECT_TRUE(comes([&] { return door.items->watchers() == 0; }));
}

TEST(ConfigurationStreamTest, UnsubscribeEndsTheStream) {
  TestDoor door;
  Stream stream(door);
  wire::UnsubscribeConfigurationRequest request;
  request.set_store_name("items");
  request.set_id(stream.id);
  for (const bool there : {true, false}) {
    wire::UnsubscribeConfigurationResponse response;
    ClientContext context;
    ASSERT_TRUE(door.stub().UnsubscribeConfiguration(&context, request, &response).ok());
    EXPECT_EQ(response.ok(), there);
    EXPECT_EQ(
        response.message(),
        there ? "" : "failed to unsubscribe to configuration request " + stream.id + ": subscription does not exist");
  }
  Update none;
  EXPECT_FALSE(stream.reader->Read(&none));
  EXPECT_TRUE(stream.reader->Finish().ok());
}

TEST(ConfigurationStreamTest, ARefusedSubscriptionSaysWhy) {
  TestDoor door;
  Stream broken(door, "broken");
  const Status status = broken.reader->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "failed to subscribe [broken] from Configuration store items: store on fire");

  TestDoor guarded("token");
  Stream unknown(guarded);
  EXPECT_EQ(unknown.reader->Finish().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST(ConfigurationStreamTest, TheEndOfTheDoorEndsStreams) {
  TestDoor door;
  Stream stream(door);
  ASSERT_FALSE(stream.id.empty());
  std::promise<void> drained;
  door.door->drain(std::chrono::milliseconds(0), [&](net::Drained) { drained.set_value(); });
  drained.get_future().wait();
  Update none;
  EXPECT_FALSE(stream.reader->Read(&none));
  EXPECT_FALSE(stream.reader->Finish().ok());
  EXPECT_TRUE(comes([&] { return door.items->watchers() == 0; }));
}

}  // namespace
}  // namespace tandem::api::grpc
