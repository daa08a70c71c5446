#include "api/grpc/reflection.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "api/grpc/testing/test_door.h"
#include "net/grpc/testing/scripted_app.h"
#include "tandem/reflection/reflection.pb.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::tandem::reflection;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A stream of reflection, one question after the other.
class Client final {
 public:
  Client(TestDoor& door, const std::string& version, const char* token = nullptr) : stub_(door.channel) {
    if (token != nullptr) context_.AddMetadata("dapr-api-token", token);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    call_ =
        stub_.PrepareCall(&context_, "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo", &queue_);
    call_->StartCall(nullptr);
    step();
  }
  ~Client() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;
  }

  wire::ServerReflectionResponse ask(const std::function<void(wire::ServerReflectionRequest&)>& fill) {
    wire::ServerReflectionRequest request;
    fill(request);
    ::grpc::Slice slice(request.SerializeAsString());
    call_->Write({&slice, 1}, nullptr);
    step();
    ::grpc::ByteBuffer answer;
    call_->Read(&answer, nullptr);
    wire::ServerReflectionResponse response;
    if (step()) response.ParseFromString(net::grpc::text_of(answer));
    return response;
  }
  ::grpc::Status end() {
    call_->WritesDone(nullptr);
    step();
    ::grpc::Status status;
    call_->Finish(&status, nullptr);
    step();
    return status;
  }

 private:
  bool step() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  ::grpc::GenericStub stub_;
  ::grpc::ClientContext context_;
  ::grpc::CompletionQueue queue_;
  std::unique_ptr<::grpc::GenericClientAsyncReaderWriter> call_;
};

std::vector<std::string> files_of(const wire::ServerReflectionResponse& response) {
  std::vector<std::string> names;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    ::google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  return names;
}

TEST(ReflectionTest, NamesServicesAndDescribesThemUnderBothVersions) {
  TestDoor door;
  for (const std::string version : {"v1", "v1alpha"}) {
    Client client(door, version);
    const auto listed = client.ask([](auto& request) { request.set_list_services("*"); });
    std::vector<std::string> names;
    for (const auto& service : listed.list_services_response().service()) names.push_back(service.name());
    EXPECT_THAT(names, ElementsAre("dapr.proto.runtime.v1.Dapr", "grpc.reflection.v1.ServerReflection",
                                   "grpc.reflection.v1alpha.ServerReflection"));
    EXPECT_EQ(listed.original_request().list_services(), "*");
    // A file comes with what it imports, and nothing twice.
    const auto files =
        files_of(client.ask([](auto& request) { request.set_file_containing_symbol("dapr.proto.runtime.v1.Dapr"); }));
    EXPECT_THAT(files, Contains("dapr/proto/runtime/v1/dapr.proto"));
    EXPECT_THAT(files, Contains("google/protobuf/empty.proto"));
    const auto again =
        files_of(client.ask([](auto& request) { request.set_file_by_filename("dapr/proto/common/v1/common.proto"); }));
    EXPECT_THAT(again, ElementsAre("dapr/proto/common/v1/common.proto"));
    EXPECT_THAT(files_of(client.ask([](auto& request) {
                  request.set_file_containing_symbol("grpc.reflection.v1.ServerReflection.ServerReflectionInfo");
                })),
                ElementsAre("grpc/reflection/v1/reflection.proto"));
    const auto nobody = client.ask([](auto& request) { request.set_file_containing_symbol("no.Such"); });
    EXPECT_EQ(nobody.error_response().error_code(), static_cast<int>(::grpc::StatusCode::NOT_FOUND));
    EXPECT_TRUE(client.end().ok());
  }
}

TEST(ReflectionTest, ItNeedsTheToken) {
  TestDoor door("secret");
  EXPECT_EQ(Client(door, "v1").end().error_code(), ::grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Client(door, "v1", "secret").end().ok());
}

}  // namespace
}  // namespace tandem::api::grpc
