#include "api/grpc/grpc_door.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <array>
#include <future>
#include <thread>

#include "api/grpc/testing/test_door.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using ::dapr::proto::common::v1::HTTPExtension;
using ::dapr::proto::common::v1::InvokeResponse;
using ::google::protobuf::Empty;
using ::grpc::ClientContext;
using ::grpc::Status;
using ::grpc::StatusCode;
using testing::HasSubstr;

google::rpc::ErrorInfo info_of(const Status& status) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  for (const auto& any : rich.details()) any.UnpackTo(&info);
  return info;
}

Status save(TestDoor& door, const std::string& store, const std::string& key, const std::string& value,
            const std::string& etag = "", const Metadata& metadata = {}) {
  ClientContext context;
  wire::SaveStateRequest request;
  Empty nothing;
  request.set_store_name(store);
  auto& item = *request.add_states();
  item.set_key(key);
  item.set_value(value);
  if (!etag.empty()) item.mutable_etag()->set_value(etag);
  item.mutable_metadata()->insert(metadata.begin(), metadata.end());
  return door.stub().SaveState(&context, request, &nothing);
}

Status get(TestDoor& door, const std::string& store, const std::string& key, wire::GetStateResponse& response) {
  ClientContext context;
  wire::GetStateRequest request;
  request.set_store_name(store);
  request.set_key(key);
  return door.stub().GetState(&context, request, &response);
}

TEST(GrpcDoorTest, KeepsAnyBytesUnderTheCallersPrefix) {
  TestDoor door;
  const std::string bytes("\0\xff{not json", 11);
  ASSERT_TRUE(save(door, "store", "k", bytes).ok());
  EXPECT_EQ(*door.store->items.at("caller||k").data, bytes);
  wire::GetStateResponse response;
  ASSERT_TRUE(get(door, "store", "k", response).ok());
  EXPECT_EQ(response.data(), bytes);
  EXPECT_EQ(response.etag(), "1");
  ASSERT_TRUE(get(door, "store", "missing", response).ok());
  EXPECT_EQ(response.ShortDebugString(), "");
}

TEST(GrpcDoorTest, AnswersAReadThatCompletesOnAnotherThread) {
  TestDoor door;
  ASSERT_TRUE(save(door, "store", "k-late", "v").ok());
  wire::GetStateResponse response;
  ASSERT_TRUE(get(door, "store", "k-late", response).ok());
  EXPECT_EQ(response.data(), "v");
}

TEST(GrpcDoorTest, TellsWhenAValueExpires) {
  TestDoor door;
  ASSERT_TRUE(save(door, "store", "k", "v", "", {{"ttlInSeconds", "60"}}).ok());
  wire::GetStateResponse response;
  ASSERT_TRUE(get(door, "store", "k", response).ok());
  EXPECT_EQ(response.metadata().at("ttlExpireTime"), "2027-01-15T08:00:00Z");
}

TEST(GrpcDoorTest, AnEtagThatDoesNotMatchAborts) {
  TestDoor door;
  ASSERT_TRUE(save(door, "store", "k", "v").ok());
  const Status status = save(door, "store", "k", "w", "9");
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("failed saving state in state store store"));
  EXPECT_EQ(info_of(status).reason(), "ERR_STATE_SAVE");
  EXPECT_TRUE(save(door, "store", "k", "w", "1").ok());
}

TEST(GrpcDoorTest, WhatIsWrongWithAWriteIsToldIfTheStoreIsThere) {
  TestDoor door;
  const Status empty = save(door, "store", "", "v");
  EXPECT_EQ(empty.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(empty.error_message(), "state key cannot be empty");
  const Status json = save(door, "store", "k", "{", "", {{"contentType", "application/json"}});
  EXPECT_EQ(json.error_code(), StatusCode::UNKNOWN);
  EXPECT_TRUE(save(door, "store", "k", "{}", "", {{"contentType", "application/json"}}).ok());
  const Status store = save(door, "nowhere", "", "v");
  EXPECT_EQ(store.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(store.error_message(), "state store nowhere is not found");
  EXPECT_EQ(info_of(store).reason(), "DAPR_STATE_NOT_FOUND");
  const Status key = save(door, "store", "a||b", "v");
  EXPECT_EQ(info_of(key).reason(), "DAPR_STATE_ILLEGAL_KEY");
  const Status broken = save(door, "store", "broken", "v");
  EXPECT_EQ(broken.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(broken.error_message(), "failed saving state in state store store: disk on fire");
}

TEST(GrpcDoorTest, ReadsManyKeysWithAnErrorForOne) {
  TestDoor door;
  ASSERT_TRUE(save(door, "store", "a", "1").ok());
  ClientContext context;
  wire::GetBulkStateRequest request;
  wire::GetBulkStateResponse response;
  request.set_store_name("store");
  for (const char* key : {"a", "none", "broken"}) request.add_keys(key);
  ASSERT_TRUE(door.stub().GetBulkState(&context, request, &response).ok());
  ASSERT_EQ(response.items_size(), 3);
  EXPECT_EQ(response.items(0).ShortDebugString(), R"(key: "a" data: "1" etag: "1")");
  EXPECT_EQ(response.items(1).ShortDebugString(), R"(key: "none")");
  EXPECT_EQ(response.items(2).key(), "broken");
  EXPECT_EQ(response.items(2).error(), "disk on fire");
}

TEST(GrpcDoorTest, DeletesOneAndMany) {
  TestDoor door;
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(save(door, "store", key, "v").ok());
  Empty nothing;
  ClientContext one;
  wire::DeleteStateRequest single;
  single.set_store_name("store");
  single.set_key("a");
  EXPECT_TRUE(door.stub().DeleteState(&one, single, &nothing).ok());
  ClientContext many;
  wire::DeleteBulkStateRequest bulk;
  bulk.set_store_name("store");
  bulk.add_states()->set_key("b");
  bulk.add_states()->set_key("c");
  EXPECT_TRUE(door.stub().DeleteBulkState(&many, bulk, &nothing).ok());
  EXPECT_TRUE(door.store->items.empty());
}

TEST(GrpcDoorTest, RunsTransactionsWhereTheStoreCan) {
  TestDoor door;
  Empty nothing;
  const auto run = [&](const std::string& store, const std::string& operation) {
    ClientContext context;
    wire::ExecuteStateTransactionRequest request;
    request.set_storename(store);
    auto& one = *request.add_operations();
    one.set_operationtype(operation);
    one.mutable_request()->set_key("k");
    one.mutable_request()->set_value("v");
    return door.stub().ExecuteStateTransaction(&context, request, &nothing);
  };
  EXPECT_TRUE(run("store", "upsert").ok());
  EXPECT_EQ(*door.store->items.at("caller||k").data, "v");
  EXPECT_TRUE(run("store", "delete").ok());
  EXPECT_TRUE(door.store->items.empty());
  const Status unknown = run("store", "swap");
  EXPECT_EQ(unknown.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(unknown.error_message(), "operation type swap not supported");
  EXPECT_EQ(info_of(unknown).reason(), "ERR_NOT_SUPPORTED_STATE_OPERATION");
  const Status plain = run("plain", "swap");
  EXPECT_EQ(plain.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(info_of(plain).reason(), "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED");
}

TEST(GrpcDoorTest, RefusesQueriesAsDaprdDoes) {
  TestDoor door;
  ClientContext context;
  wire::QueryStateRequest request;
  wire::QueryStateResponse response;
  request.set_store_name("store");
  const Status status = door.stub().QueryStateAlpha1(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(info_of(status).reason(), "DAPR_STATE_QUERYING_NOT_SUPPORTED");
}

TEST(GrpcDoorTest, DeadlineAndTraceGoWithTheCall) {
  TestDoor door;
  ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
  context.AddMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  context.AddMetadata("tracestate", "a=b");
  wire::GetStateRequest request;
  wire::GetStateResponse response;
  request.set_store_name("store");
  request.set_key("k");
  ASSERT_TRUE(door.stub().GetState(&context, request, &response).ok());
  const CallContext& seen = door.store->last_context;
  EXPECT_EQ(seen.app_id, "caller");
  EXPECT_THAT(seen.trace.traceparent, testing::MatchesRegex("00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]+-01"));
  EXPECT_EQ(seen.trace.tracestate, "a=b");
  const auto left = seen.deadline - std::chrono::steady_clock::now();
  EXPECT_GT(left, std::chrono::minutes(59));
  EXPECT_LE(left, std::chrono::minutes(61)) << "gRPC rounds such a time up, to ten seconds";
  ASSERT_TRUE(get(door, "store", "k", response).ok());
  EXPECT_EQ(door.store->last_context.deadline, SteadyTime::max());
  EXPECT_TRUE(telemetry::parse_traceparent(door.store->last_context.trace.traceparent)) << "a trace of its own";
}

TEST(GrpcDoorTest, PublishesWhatIsToBePublished) {
  TestDoor door;
  Empty nothing;
  const auto publish = [&](const std::string& bus, const std::string& topic) {
    ClientContext context;
    wire::PublishEventRequest request;
    request.set_pubsub_name(bus);
    request.set_topic(topic);
    request.set_data(R"({"n":1})");
    request.set_data_content_type("application/json");
    return door.stub().PublishEvent(&context, request, &nothing);
  };
  EXPECT_TRUE(publish("bus", "orders").ok());
  ASSERT_EQ(door.broker->published.size(), 1U);
  EXPECT_THAT(*door.broker->published[0].data, HasSubstr(R"("data":{"n":1})"));
  const Status full = publish("bus", "closed");
  EXPECT_EQ(full.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(full.error_message(), "error when publishing to topic closed in pubsub bus: queue is full");
  EXPECT_EQ(info_of(full).metadata().at("error"), "queue is full");
  EXPECT_EQ(info_of(full).metadata().at("topic"), "closed");
  const Status missing = publish("nobus", "orders");
  EXPECT_EQ(missing.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info_of(missing).reason(), "DAPR_PUBSUB_NOT_FOUND");
  EXPECT_EQ(info_of(publish("bus", "")).reason(), "DAPR_PUBSUB_TOPIC_NAME_EMPTY");
}

TEST(GrpcDoorTest, PublishesManyUnderBothNames) {
  TestDoor door;
  const auto publish = [&](auto method, const std::string& topic, const std::vector<std::string>& ids) {
    ClientContext context;
    wire::BulkPublishRequest request;
    wire::BulkPublishResponse response;
    request.set_pubsub_name("bus");
    request.set_topic(topic);
    for (const std::string& id : ids) {
      auto& entry = *request.add_entries();
      entry.set_entry_id(id);
      entry.set_event("x");
      entry.set_content_type("text/plain");
    }
    return (door.stub().*method)(&context, request, &response);
  };
  EXPECT_TRUE(publish(&wire::Dapr::Stub::BulkPublishEventAlpha1, "t", {"1", "2"}).ok());
  EXPECT_TRUE(publish(&wire::Dapr::Stub::BulkPublishEvent, "t", {"1"}).ok());
  EXPECT_EQ(door.broker->published.size(), 3U);
  const Status twice = publish(&wire::Dapr::Stub::BulkPublishEvent, "t", {"1", "1"});
  EXPECT_EQ(twice.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info_of(twice).reason(), "DAPR_PUBSUB_MARSHAL_EVENTS");
  EXPECT_EQ(info_of(twice).metadata().at("error"), "entryId is duplicated or not present for entry");
  const Status full = publish(&wire::Dapr::Stub::BulkPublishEvent, "closed", {"1"});
  EXPECT_EQ(full.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(info_of(full).metadata().at("error"), "queue is full");
}

wire::InvokeServiceRequest invocation(const std::string& id, HTTPExtension::Verb verb = HTTPExtension::POST) {
  wire::InvokeServiceRequest request;
  request.set_id(id);
  auto& message = *request.mutable_message();
  message.set_method("orders/a b");
  message.set_content_type("application/json");
  message.mutable_data()->set_value("{}");
  message.mutable_http_extension()->set_verb(verb);
  message.mutable_http_extension()->set_querystring("x=1&y=%20");
  return request;
}

TEST(GrpcDoorTest, InvokesAnAppOverItsHttp) {
  TestDoor door;
  door.app.answer_headers = {{"Content-Type", "text/plain"}, {"X-Own", "yes"}, {"Date", "today"}};
  ClientContext context;
  context.AddMetadata("x-mine", "1");
  context.AddMetadata("dapr-caller-app-id", "somebody-else");
  InvokeResponse response;
  ASSERT_TRUE(door.stub().InvokeService(&context, invocation("callee"), &response).ok());
  EXPECT_EQ(response.data().value(), "hello");
  EXPECT_EQ(response.content_type(), "text/plain");
  EXPECT_EQ(door.app.method, "POST");
  EXPECT_EQ(door.app.target, "/orders/a%20b?x=1&y=%20");
  EXPECT_EQ(door.app.body, "{}");
  EXPECT_EQ(door.app.headers["content-type"], "application/json");
  EXPECT_EQ(door.app.headers["x-mine"], "1");
  EXPECT_EQ(door.app.headers["dapr-caller-app-id"], "caller");
  EXPECT_EQ(door.app.headers["dapr-callee-app-id"], "callee");
  EXPECT_EQ(door.app.context.app_id, "caller");
  const auto& headers = context.GetServerInitialMetadata();
  const auto header = [&](const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string("none") : std::string(found->second.data(), found->second.size());
  };
  EXPECT_EQ(header("dapr-http-status"), "200");
  EXPECT_EQ(header("x-own"), "yes");
  EXPECT_EQ(header("dapr-date"), "today");
  EXPECT_EQ(header("dapr-content-type"), "text/plain");
}

TEST(GrpcDoorTest, AnAppThatAnswersAnErrorFailsTheCall) {
  TestDoor door;
  door.app.status = 404;
  door.app.answer = "no such order";
  ClientContext context;
  InvokeResponse response;
  const Status status = door.stub().InvokeService(&context, invocation("callee"), &response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "Not Found");
  EXPECT_EQ(info_of(status).metadata().at("http.code"), "404");
  EXPECT_EQ(info_of(status).metadata().at("http.error_message"), "no such order");
  EXPECT_EQ(context.GetServerInitialMetadata().count("dapr-http-status"), 1U);
}

TEST(GrpcDoorTest, AnAppThatCannotBeInvokedIsNamed) {
  TestDoor door;
  const auto message_for = [&](const wire::InvokeServiceRequest& request) {
    ClientContext context;
    InvokeResponse response;
    const Status status = door.stub().InvokeService(&context, request, &response);
    EXPECT_EQ(status.error_code(), StatusCode::INTERNAL);
    return status.error_message();
  };
  EXPECT_EQ(message_for(invocation("nobody")), "failed to invoke, id: nobody, err: couldn't find service: nobody");
  EXPECT_EQ(message_for(invocation("")), "failed to invoke, id: , err: app id is empty");
  EXPECT_EQ(message_for(invocation("caller", HTTPExtension::NONE)),
            "failed to invoke, id: caller, err: rpc error: code = InvalidArgument desc = invalid HTTP verb");
  auto query = invocation("callee");
  query.mutable_message()->set_method("a?b");
  EXPECT_EQ(message_for(query),
            "failed to invoke, id: callee, err: rpc error: code = InvalidArgument desc = invalid method: method "
            "contains forbidden character: \"a?b\"");
  auto bare = invocation("callee");
  bare.mutable_message()->clear_http_extension();
  EXPECT_THAT(message_for(bare), HasSubstr("missing HTTP extension field"));
}

TEST(GrpcDoorTest, AnAnswerOverTheLimitIsRefused) {
  TestDoor door;
  door.app.answer.assign(64 * 1024 + 1, 'x');
  ClientContext context;
  InvokeResponse response;
  const Status status = door.stub().InvokeService(&context, invocation("callee"), &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(save(door, "store", "k", std::string(64 * 1024 + 1, 'x')).error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

TEST(GrpcDoorTest, CompressedMessagesAreUnpackedUnderTheLimit) {
  TestDoor door;
  const auto save_compressed = [&](std::size_t bytes, grpc_compression_algorithm how) {
    ClientContext context;
    context.set_compression_algorithm(how);
    wire::SaveStateRequest request;
    Empty nothing;
    request.set_store_name("store");
    auto& item = *request.add_states();
    item.set_key("k");
    item.set_value(std::string(bytes, 'x'));
    return door.stub().SaveState(&context, request, &nothing);
  };
  EXPECT_TRUE(save_compressed(60 * 1024, GRPC_COMPRESS_GZIP).ok());
  EXPECT_EQ(door.store->items.at("caller||k").data->size(), 60U * 1024);
  door.store->items.clear();
  const Status bomb = save_compressed(16 << 20, GRPC_COMPRESS_GZIP);
  EXPECT_EQ(bomb.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(bomb.error_message(), "grpc: message after decompression larger than max (65537 vs. 65536)");
  const Status unknown = save_compressed(1000, GRPC_COMPRESS_DEFLATE);
  EXPECT_EQ(unknown.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(unknown.error_message(), "grpc: Decompressor is not installed for grpc-encoding \"deflate\"");
  EXPECT_TRUE(door.store->items.empty());
}

TEST(GrpcDoorTest, SaysWhatThereIsAndKeepsLabels) {
  TestDoor door;
  door.metadata.runtime_version = "1.2.3";
  door.metadata.components = {{"store", "state.in-memory", "v1", {"ETAG"}}};
  door.metadata.subscriptions = {{.pubsub = "bus", .topic = "t", .rules = {{"", "/on-t"}}, .type = "DECLARATIVE"}};
  door.metadata.http_endpoints = {"weather"};
  door.metadata.connection = {
      .port = 8080, .protocol = "http", .health = sidecar::AppHealth{"/healthz", "5s", "500ms", 3}};
  Empty nothing;
  for (const auto& [key, value] : {std::pair("a", "b"), std::pair("", "ignored")}) {
    ClientContext context;
    wire::SetMetadataRequest label;
    label.set_key(key);
    label.set_value(value);
    ASSERT_TRUE(door.stub().SetMetadata(&context, label, &nothing).ok());
  }
  ClientContext context;
  wire::GetMetadataResponse response;
  ASSERT_TRUE(door.stub().GetMetadata(&context, {}, &response).ok());
  EXPECT_EQ(response.id(), "caller");
  EXPECT_EQ(response.runtime_version(), "1.2.3");
  EXPECT_EQ(response.registered_components(0).capabilities(0), "ETAG");
  EXPECT_EQ(response.subscriptions(0).rules().rules(0).path(), "/on-t");
  EXPECT_EQ(response.subscriptions(0).type(), wire::DECLARATIVE);
  EXPECT_EQ(response.app_connection_properties().port(), 8080);
  EXPECT_EQ(response.extended_metadata().at("a"), "b");
  EXPECT_EQ(response.extended_metadata().size(), 2U);
  EXPECT_EQ(response.actor_runtime().runtime_status(), wire::ActorRuntime::DISABLED);
  EXPECT_EQ(response.actor_runtime().placement(), "placement: disconnected");
  ASSERT_EQ(response.http_endpoints().size(), 1);
  EXPECT_EQ(response.http_endpoints(0).name(), "weather");
  EXPECT_EQ(response.app_connection_properties().health().health_probe_interval(), "5s");
  EXPECT_TRUE(response.has_workflows());
}

TEST(GrpcDoorTest, ShutdownIsAnsweredAndAskedFor) {
  TestDoor door;
  ClientContext context;
  Empty nothing;
  EXPECT_TRUE(door.stub().Shutdown(&context, {}, &nothing).ok());
  while (door.shutdowns == 0) std::this_thread::yield();
  EXPECT_EQ(door.shutdowns, 1);
}

TEST(GrpcDoorTest, AsksForTheToken) {
  TestDoor door("secret");
  const auto call = [&](const char* token) {
    ClientContext context;
    wire::GetMetadataResponse response;
    if (token != nullptr) context.AddMetadata("dapr-api-token", token);
    return door.stub().GetMetadata(&context, {}, &response);
  };
  EXPECT_TRUE(call("secret").ok());
  const Status missing = call(nullptr);
  EXPECT_EQ(missing.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(missing.error_message(), "Unauthorized");
  EXPECT_EQ(info_of(missing).metadata().at("http.error_message"), "missing api token in request metadata");
  EXPECT_EQ(info_of(call("Secret")).metadata().at("http.error_message"), "authentication error: api token mismatch");
}

// A unary call of a method that the stub does not know.
Status call_by_name(TestDoor& door, const std::string& method, const std::string& request) {
  ::grpc::GenericStub stub(door.channel);
  ClientContext context;
  const ::grpc::Slice slice(request);
  const ::grpc::ByteBuffer message(&slice, 1);
  ::grpc::ByteBuffer response;
  std::promise<Status> ended;
  stub.UnaryCall(&context, method, {}, &message, &response, [&](Status status) { ended.set_value(std::move(status)); });
  return ended.get_future().get();
}

// Keeps what it is asked.
class TestBinding final : public bindings::OutputBinding {
 public:
  std::span<const std::string_view> operations() const override {
    static constexpr std::array<std::string_view, 2> kNames = {"create", "fail"};
    return kNames;
  }
  void invoke(const CallContext&, bindings::InvokeRequest request, Completion<bindings::InvokeAnswer> done) override {
    asked = std::move(request);
    bindings::InvokeAnswer answer{.data = share("done"), .metadata = {{"statusCode", "404"}, {"sql", "a\nb"}}};
    if (asked.operation == "fail") answer.failure = make_error(Code::kInternal, "received status code 404");
    done(std::move(answer));
  }
  bindings::InvokeRequest asked;
};

TEST(GrpcDoorTest, InvokesABinding) {
  TestDoor door;
  auto output = std::make_unique<TestBinding>();
  TestBinding& binding = *output;
  ASSERT_TRUE(door.bindings.add({.name = "web", .output = std::move(output)}));
  const auto invoke = [&](const std::string& name, const std::string& operation, wire::InvokeBindingResponse& response,
                          ClientContext& context) {
    wire::InvokeBindingRequest request;
    request.set_name(name);
    request.set_operation(operation);
    request.set_data(std::string("\0\xff", 2));
    (*request.mutable_metadata())["path"] = "/x";
    return door.stub().InvokeBinding(&context, request, &response);
  };
  wire::InvokeBindingResponse response;
  ClientContext context;
  context.AddMetadata("path", "not this");
  context.AddMetadata("own", "yes");
  context.AddMetadata("traceparent", "00-11111111111111111111111111111111-2222222222222222-01");
  ASSERT_TRUE(invoke("web", "create", response, context).ok());
  EXPECT_EQ(response.data(), "done");
  EXPECT_EQ(response.metadata().at("sql"), "a\nb");
  EXPECT_EQ(context.GetServerInitialMetadata().find("metadata.statuscode")->second, "404");
  EXPECT_EQ(binding.asked.data, std::string("\0\xff", 2));
  EXPECT_EQ(binding.asked.metadata.at("path"), "/x");
  EXPECT_EQ(binding.asked.metadata.at("own"), "yes");
  EXPECT_EQ(binding.asked.metadata.at("traceparent"), "00-11111111111111111111111111111111-2222222222222222-01");

  ClientContext failing;
  const Status failed = invoke("web", "fail", response, failing);
  EXPECT_EQ(failed.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(failed.error_message(), "error invoking output binding web: received status code 404");
  EXPECT_EQ(info_of(failed).reason(), "ERR_INVOKE_OUTPUT_BINDING");
  EXPECT_EQ(failing.GetServerInitialMetadata().find("metadata.statuscode")->second, "404");

  ClientContext unknown;
  EXPECT_EQ(invoke("mail", "create", response, unknown).error_message(),
            "error invoking output binding mail: couldn't find output binding mail");
}

TEST(GrpcDoorTest, MethodsThatAreNotServedAnswerAsDaprdOrByName) {
  TestDoor door;
  const std::string service = "/dapr.proto.runtime.v1.Dapr/";
  const Status lock = call_by_name(door, service + "TryLockAlpha1", "");
  EXPECT_EQ(lock.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(lock.error_message(), "lock store is not configured");
  const Status stream = call_by_name(door, service + "SubscribeActorEventsAlpha1", "");
  EXPECT_EQ(stream.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(stream.error_message(),
            "method SubscribeActorEventsAlpha1 of service dapr.proto.runtime.v1.Dapr is not served here");
  const Status own = call_by_name(door, "/own.Service/Do", "");
  EXPECT_EQ(own.error_code(), StatusCode::UNKNOWN);
  EXPECT_EQ(own.error_message(),
            "failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found");
}

TEST(GrpcDoorTest, TellsClientsWhatItServes) {
  TestDoor door;
  ::grpc::GenericStub stub(door.channel);
  // Reflection answers on its stream; that the method is there is what is asked.
  const Status status = call_by_name(door, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "");
  EXPECT_NE(status.error_code(), StatusCode::UNIMPLEMENTED) << status.error_message();
}

TEST(GrpcDoorTest, APortInUseIsOneClearLine) {
  TestDoor door;
  net::Workers workers(1);
  auto second =
      GrpcDoor::listen(workers, {.port = door.door->port(), .purpose = "the Dapr gRPC API of app b", .hint = "choose"},
                       door.options("b", ""));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "cannot listen on 127.0.0.1:" + std::to_string(door.door->port()) +
                                        " for the Dapr gRPC API of app b: address already in use; choose");
}

TEST(GrpcDoorTest, ADrainWaitsForACallAndThenCutsIt) {
  TestDoor door;
  door.app.answers = false;
  std::promise<Status> ended;
  std::thread client([&] {
    ClientContext context;
    InvokeResponse response;
    ended.set_value(door.stub().InvokeService(&context, invocation("callee"), &response));
  });
  while (!door.app.keeps) std::this_thread::yield();
  std::promise<net::Drained> drained;
  door.door->drain(std::chrono::milliseconds(200), [&](net::Drained how) { drained.set_value(how); });
  EXPECT_EQ(drained.get_future().get(), net::Drained::kCut);
  EXPECT_FALSE(ended.get_future().get().ok());
  client.join();
}

TEST(GrpcDoorTest, ADoorThatIsReplacedServesTheConnectionsThatItHas) {
  TestDoor door;
  const auto call = [](auto& stub) {
    ClientContext context;
    InvokeResponse response;
    return stub.InvokeService(&context, invocation("callee"), &response);
  };
  EXPECT_TRUE(call(door.stub()).ok());
  door.door->stop_accepting();
  EXPECT_TRUE(call(door.stub()).ok());
  ::grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = ::dapr::proto::runtime::v1::Dapr::NewStub(::grpc::CreateCustomChannel(
      "127.0.0.1:" + std::to_string(door.door->port()), ::grpc::InsecureChannelCredentials(), arguments));
  EXPECT_EQ(call(*stub).error_code(), StatusCode::UNAVAILABLE);
}

TEST(GrpcDoorTest, ADoorThatNobodyUsedDrainsAtOnce) {
  TestDoor door;
  std::promise<net::Drained> drained;
  door.door->drain(std::chrono::milliseconds(0), [&](net::Drained how) { drained.set_value(how); });
  EXPECT_EQ(drained.get_future().get(), net::Drained::kFinished);
}

}  // namespace
}  // namespace tandem::api::grpc
