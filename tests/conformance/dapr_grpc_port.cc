#include "dapr_grpc_port.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::conformance {
namespace {

struct Names {
  std::string_view grpc;
  std::string_view http;
};
constexpr std::array kNames = {Names{"DAPR_STATE_ILLEGAL_KEY", "ERR_MALFORMED_REQUEST"},
                               Names{"DAPR_PUBSUB_NOT_FOUND", "ERR_PUBSUB_NOT_FOUND"},
                               Names{"DAPR_PUBSUB_METADATA_DESERIALIZATION", "ERR_PUBSUB_REQUEST_METADATA"},
                               Names{"DAPR_PUBSUB_CLOUD_EVENT_CREATION", "ERR_PUBSUB_CLOUD_EVENTS_SER"},
                               Names{"DAPR_PUBSUB_MARSHAL_ENVELOPE", "ERR_PUBSUB_EVENTS_SER"},
                               Names{"DAPR_PUBSUB_MARSHAL_EVENTS", "ERR_PUBSUB_EVENTS_SER"}};

}  // namespace

DaprGrpcPort::DaprGrpcPort(std::string app_id, state::StateService& state, pubsub::PubsubService& pubsub) {
  auto door = api::grpc::GrpcDoor::listen(workers_, {.purpose = "the suite"},
                                          {.app_id = std::move(app_id),
                                           .state = state,
                                           .pubsub = pubsub,
                                           .secrets = secrets_,
                                           .configuration = configuration_,
                                           .bindings = bindings_,
                                           .invoke = invoke_,
                                           .metadata = *this,
                                           .labels = labels_,
                                           .workers = {&workers_[0]}});
  workers_.start();
  if (!door) {
    ADD_FAILURE() << door.error().message;
    return;
  }
  door_ = std::move(*door);
  stub_ = ::dapr::proto::runtime::v1::Dapr::NewStub(
      ::grpc::CreateChannel("127.0.0.1:" + std::to_string(door_->port()), ::grpc::InsecureChannelCredentials()));
}

DaprGrpcPort::~DaprGrpcPort() {
  stub_.reset();
  door_.reset();
  workers_.stop();
}

Error DaprGrpcPort::error_of(const ::grpc::Status& status) {
  Error error = make_error(static_cast<Code>(status.error_code()), status.error_message());
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&info)) error.reason = info.reason();
  }
  for (const Names& names : kNames) {
    if (names.grpc == error.reason) error.reason = names.http;
  }
  return error;
}

}  // namespace tandem::conformance
