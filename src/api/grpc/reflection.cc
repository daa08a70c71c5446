#include "api/grpc/reflection.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "net/grpc/passed_call.h"
#include "net/grpc/server_stream.h"
#include "tandem/reflection/reflection.pb.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::tandem::reflection;
using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FileDescriptor;

constexpr auto kMethods = std::to_array<std::string_view>({
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
});
constexpr auto kServices = std::to_array<std::string_view>({
    "dapr.proto.runtime.v1.Dapr",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
});

// The program's descriptors, and those of reflection itself under its two names: the messages are there in a package of
// our own.
const DescriptorPool& descriptors() {
  static const auto pool = [] {
    auto made = std::make_unique<DescriptorPool>(DescriptorPool::generated_pool());
    for (const std::string version : {"v1", "v1alpha"}) {
      ::google::protobuf::FileDescriptorProto file;
      wire::ServerReflectionRequest::descriptor()->file()->CopyTo(&file);
      const std::string package = "grpc.reflection." + version;
      file.set_name("grpc/reflection/" + version + "/reflection.proto");
      file.set_package(package);
      for (auto& message : *file.mutable_message_type()) {
        for (auto& field : *message.mutable_field()) {
          if (field.has_type_name()) {
            field.set_type_name("." + package + field.type_name().substr(field.type_name().rfind('.')));
          }
        }
      }
      auto& service = *file.add_service();
      service.set_name("ServerReflection");
      auto& method = *service.add_method();
      method.set_name("ServerReflectionInfo");
      method.set_input_type("." + package + ".ServerReflectionRequest");
      method.set_output_type("." + package + ".ServerReflectionResponse");
      method.set_client_streaming(true);
      method.set_server_streaming(true);
      (void)made->BuildFile(file);
    }
    // Else nothing of the API's need be in the program.
    (void)::dapr::proto::runtime::v1::GetStateRequest::descriptor();
    return made;
  }();
  return *pool;
}

class Reflection final : public net::grpc::ServerStream {
 public:
  explicit Reflection(net::grpc::IncomingCall call) : ServerStream(std::move(call)) {}

  void open() {
    begin();
    start_read();
  }

 private:
  void on_read(std::optional<std::string_view> message) override {
    if (!message) return finish(::grpc::Status::OK);
    wire::ServerReflectionRequest request;
    if (!request.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
      return finish({::grpc::StatusCode::INTERNAL, "grpc: failed to unmarshal the received message"});
    }
    wire::ServerReflectionResponse response = answer(request);
    response.set_valid_host(request.host());
    *response.mutable_original_request() = std::move(request);
    start_write(response.SerializeAsString());
  }
  void on_written(bool ok) override {
    if (ok) start_read();
  }
  void on_gone() override { finish(::grpc::Status::CANCELLED); }

  wire::ServerReflectionResponse answer(const wire::ServerReflectionRequest& request) {
    const DescriptorPool& pool = descriptors();
    switch (request.message_request_case()) {
      case wire::ServerReflectionRequest::kListServices: {
        wire::ServerReflectionResponse response;
        for (const std::string_view name : kServices) {
          response.mutable_list_services_response()->add_service()->set_name(std::string(name));
        }
        return response;
      }
      case wire::ServerReflectionRequest::kFileByFilename:
        return files(pool.FindFileByName(request.file_by_filename()), request.file_by_filename());
      case wire::ServerReflectionRequest::kFileContainingSymbol:
        return files(pool.FindFileContainingSymbol(request.file_containing_symbol()), request.file_containing_symbol());
      case wire::ServerReflectionRequest::kFileContainingExtension: {
        const auto& wanted = request.file_containing_extension();
        const Descriptor* const type = pool.FindMessageTypeByName(wanted.containing_type());
        const FieldDescriptor* const field =
            type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
        return files(field == nullptr ? nullptr : field->file(), wanted.containing_type());
      }
      case wire::ServerReflectionRequest::kAllExtensionNumbersOfType: {
        const std::string& name = request.all_extension_numbers_of_type();
        const Descriptor* const type = pool.FindMessageTypeByName(name);
        if (type == nullptr) return not_found(name);
        wire::ServerReflectionResponse response;
        auto& numbers = *response.mutable_all_extension_numbers_response();
        numbers.set_base_type_name(name);
        std::vector<const FieldDescriptor*> extensions;
        pool.FindAllExtensions(type, &extensions);
        for (const FieldDescriptor* one : extensions) numbers.add_extension_number(one->number());
        return response;
      }
      default: return error(::grpc::StatusCode::INVALID_ARGUMENT, "invalid MessageRequest");
    }
  }

  // The file and what it imports, each once on a stream.
  wire::ServerReflectionResponse files(const FileDescriptor* file, std::string_view asked) {
    if (file == nullptr) return not_found(asked);
    wire::ServerReflectionResponse response;
    auto& out = *response.mutable_file_descriptor_response();
    add(*file, out);
    // One that was asked for by its name comes again.
    if (out.file_descriptor_proto().empty()) out.add_file_descriptor_proto(bytes_of(*file));
    return response;
  }
  void add(const FileDescriptor& file, wire::FileDescriptorResponse& out) {
    if (!sent_.insert(file.name()).second) return;
    out.add_file_descriptor_proto(bytes_of(file));
    for (int i = 0; i < file.dependency_count(); ++i) add(*file.dependency(i), out);
  }
  static std::string bytes_of(const FileDescriptor& file) {
    ::google::protobuf::FileDescriptorProto proto;
    file.CopyTo(&proto);
    return proto.SerializeAsString();
  }

  static wire::ServerReflectionResponse not_found(std::string_view what) {
    return error(::grpc::StatusCode::NOT_FOUND, fmt::format("not found: {}", what));
  }
  static wire::ServerReflectionResponse error(::grpc::StatusCode code, const std::string& message) {
    wire::ServerReflectionResponse response;
    response.mutable_error_response()->set_error_code(static_cast<int>(code));
    response.mutable_error_response()->set_error_message(message);
    return response;
  }

  std::set<std::string, std::less<>> sent_;
};

}  // namespace

bool reflect(const ApiOptions& api, net::grpc::IncomingCall& call) {
  if (std::ranges::find(kMethods, call.method()) == kMethods.end()) return false;
  if (auto refused = check_access(call.headers(), call.method(), api.access, api.api_token)) {
    net::grpc::refuse_call(std::move(call), *refused);
  } else {
    std::make_shared<Reflection>(std::move(call))->open();
  }
  return true;
}

}  // namespace tandem::api::grpc
