// What a guest's arguments become: requests of the blocks, with the mistakes that only a guest can make.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/test_loop.h"
#include "host/guest_exports.h"
#include "host/guest_invoke.h"
#include "host/guest_pubsub.h"
#include "host/guest_reply.h"
#include "host/guest_state.h"

namespace tandem::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// A store that nobody reads.
class NoStore final : public state::Store {
 public:
  state::Features features() const override { return {}; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }
  void get(const CallContext&, const state::GetRequest&, Completion<state::GetResponse> done) override {
    done(state::GetResponse{});
  }
  void set(const CallContext&, state::SetRequest, Completion<void> done) override { done({}); }
  void remove(const CallContext&, state::DeleteRequest, Completion<void> done) override { done({}); }
};

class NoBroker final : public pubsub::Broker {
 public:
  void publish(const CallContext&, pubsub::PublishRequest, Completion<void> done) override { done({}); }
  Result<std::unique_ptr<Subscription>> subscribe(std::string, std::string, Metadata, pubsub::MessageHandler) override {
    return std::make_unique<Subscription>();
  }
};

tdm_state_entry upsert(std::string_view key, std::string_view value) {
  tdm_state_entry entry = {};
  entry.operation = TDM_UPSERT;
  entry.key = span(key);
  entry.value = span(value);
  return entry;
}

TEST(GuestState, AnEntryWithoutOptionsAsksForNothing) {
  const auto request = set_request(upsert("k", "v"));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->key, "k");
  EXPECT_EQ(*request->value, "v");
  EXPECT_EQ(request->etag, std::nullopt);
  EXPECT_EQ(request->ttl_seconds, std::nullopt);
  EXPECT_EQ(request->concurrency, state::Concurrency::kUnspecified);
  EXPECT_EQ(request->consistency, state::Consistency::kUnspecified);
  EXPECT_TRUE(request->metadata.empty());
}

TEST(GuestState, EveryOptionArrives) {
  const tdm_header metadata[] = {{span("Partition"), span("a")}, {span("partition"), span("b")}};
  tdm_state_entry entry = upsert("k", "v");
  entry.etag = span("");
  entry.concurrency = TDM_FIRST_WRITE;
  entry.consistency = TDM_STRONG;
  entry.has_ttl = true;
  entry.ttl_seconds = 60;
  entry.content_type = span("text/plain");
  entry.metadata = metadata;
  entry.metadata_count = 2;
  const auto request = set_request(entry);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->etag, "");  // empty is not absent
  EXPECT_EQ(request->concurrency, state::Concurrency::kFirstWrite);
  EXPECT_EQ(request->consistency, state::Consistency::kStrong);
  EXPECT_EQ(request->ttl_seconds, 60);
  EXPECT_THAT(request->metadata, ElementsAre(Pair("contentType", "text/plain"), Pair("partition", "b")));
}

TEST(GuestState, ATimeToLiveMustMakeSense) {
  for (const int seconds : {0, -2}) {
    tdm_state_entry entry = upsert("k", "v");
    entry.has_ttl = true;
    entry.ttl_seconds = seconds;
    const auto request = set_request(entry);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, Code::kInvalidArgument);
    EXPECT_EQ(request.error().reason, "ERR_MALFORMED_REQUEST");
  }
  tdm_state_entry entry = upsert("k", "v");
  entry.has_ttl = true;
  entry.ttl_seconds = -1;
  EXPECT_EQ(set_request(entry)->ttl_seconds, -1);
}

TEST(GuestState, AnOperationIsAWriteOrADelete) {
  tdm_state_entry entry = upsert("k", "v");
  EXPECT_TRUE(std::holds_alternative<state::SetRequest>(*operation(entry)));
  entry.operation = TDM_DELETE;
  entry.etag = span("7");
  const auto made = operation(entry);
  ASSERT_TRUE(std::holds_alternative<state::DeleteRequest>(*made));
  EXPECT_EQ(std::get<state::DeleteRequest>(*made).etag, "7");
}

TEST(GuestState, AnIdentifierIsTheNameOfAStoreOrTheDefault) {
  state::StateService service("");
  EXPECT_EQ(find_store(service, "app", "").error().code, Code::kNotFound);
  ASSERT_TRUE(service.add({.name = "beta", .store = std::make_unique<NoStore>()}));
  ASSERT_TRUE(service.add({.name = "alpha", .store = std::make_unique<NoStore>(), .scopes = {"other"}}));
  EXPECT_EQ(*find_store(service, "app", "beta"), "beta");
  EXPECT_EQ(*find_store(service, "app", ""), "beta");
  EXPECT_EQ(*find_store(service, "app", "default"), "beta");
  EXPECT_EQ(*find_store(service, "other", "default"), "alpha");
  EXPECT_EQ(find_store(service, "app", "alpha").error().code, Code::kPermissionDenied);
  EXPECT_EQ(find_store(service, "app", "gamma").error().code, Code::kNotFound);
  ASSERT_TRUE(service.add({.name = "default", .store = std::make_unique<NoStore>()}));
  EXPECT_EQ(*find_store(service, "app", "default"), "default");
}

TEST(GuestReply, TimesAreRfc3339) { EXPECT_EQ(expire_time(60'999), "1970-01-01T00:01:00Z"); }

tdm_publish_entry event(std::string_view id, const tdm_header* metadata, std::size_t count) {
  return {span(id), span("data"), {}, metadata, count};
}

TEST(GuestPubsub, RawPayloadIsOfTheWholeCall) {
  const tdm_header raw[] = {{span("RAWPAYLOAD"), span("true")}};
  const tdm_publish_entry all[] = {event("1", raw, 1), event("2", raw, 1)};
  const auto call = bulk_call(all, 2);
  ASSERT_TRUE(call);
  EXPECT_THAT(call->metadata, ElementsAre(Pair("rawPayload", "true")));
  ASSERT_EQ(call->entries.size(), 2u);
  EXPECT_EQ(call->entries[1].entry_id, "2");
  EXPECT_EQ(call->entries[1].content_type, "");

  const tdm_publish_entry some[] = {event("1", raw, 1), event("2", nullptr, 0)};
  const auto mixed = bulk_call(some, 2);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, Code::kInvalidArgument);
  EXPECT_THAT(mixed.error().message, HasSubstr("entry 2"));
}

TEST(GuestPubsub, NoEventsAreACallWithoutAny) {
  const auto call = bulk_call(nullptr, 0);
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->entries.empty());
  EXPECT_TRUE(call->metadata.empty());
}

const CallContext kContext{.app_id = "caller", .trace = {.traceparent = "00-trace"}};

tdm_invoke_request post(std::string_view path) { return {span("POST"), span(path), nullptr, 0, span("body")}; }

TEST(GuestInvoke, TheOtherAppSeesWhoCalls) {
  const tdm_header headers[] = {{span("Content-Type"), span("text/plain")},
                                {span("Host"), span("evil")},
                                {span("Content-Length"), span("9")},
                                {span("dapr-caller-app-id"), span("admin")},
                                {span("connection"), span("X-Private")},
                                {span("x"), span("1")},
                                {span("x-private"), span("2")}};
  tdm_invoke_request raw = post("orders/17?verbose=1");
  raw.headers = headers;
  raw.headers_count = std::size(headers);
  const auto request = invoke_request(raw, "callee", kContext, 100);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->target, "/orders/17?verbose=1");
  std::vector<std::string> seen;
  for (const auto& header : request->headers) seen.push_back(header.name + "=" + header.value);
  EXPECT_THAT(seen, ElementsAre("Content-Type=text/plain", "x=1", "dapr-caller-app-id=caller",
                                "dapr-callee-app-id=callee", "traceparent=00-trace"));
}

TEST(GuestInvoke, WhatIsNoRequestIsRefused) {
  const auto code_of = [](const tdm_invoke_request& raw) {
    return invoke_request(raw, "callee", kContext, 4).error().code;
  };
  for (const std::string_view path : {"/a b", "/a\r\nx: y", "/a#b"}) {
    EXPECT_EQ(code_of(post(path)), Code::kInvalidArgument) << path;
  }
  tdm_invoke_request no_method = post("/");
  no_method.method = span("GET /");
  EXPECT_EQ(code_of(no_method), Code::kInvalidArgument);
  const tdm_header split[] = {{span("x"), span("1\r\ny: 2")}};
  tdm_invoke_request bad_header = post("/");
  bad_header.headers = split;
  bad_header.headers_count = 1;
  EXPECT_EQ(code_of(bad_header), Code::kInvalidArgument);
  tdm_invoke_request large = post("/");
  large.body = span("12345");
  EXPECT_EQ(code_of(large), Code::kResourceExhausted);
}

struct Gathered {
  std::optional<Result<InvokeResponse>> result;
  std::unique_ptr<net::ResponseSink> sink = gather_response("callee", 8, [this](Result<InvokeResponse> answer) {
    EXPECT_FALSE(result) << "answered twice";
    result = std::move(answer);
  });
};

TEST(GuestInvoke, PiecesBecomeOneAnswer) {
  Gathered gathered;
  const net::Header headers[] = {{"content-length", "8"}, {"x", "1"}};
  gathered.sink->on_head(201, headers);
  int resumed = 0;
  for (const std::string_view piece : {"1234", "5678"}) {
    gathered.sink->on_body(piece, [&](Result<void> more) { resumed += more ? 1 : 0; });
  }
  EXPECT_FALSE(gathered.result);
  gathered.sink->on_end({});
  EXPECT_EQ(resumed, 2);
  ASSERT_TRUE(gathered.result && *gathered.result);
  const InvokeResponse& response = **gathered.result;
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(*response.body, "12345678");
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].name, "x");
}

TEST(GuestInvoke, AnAnswerOverTheLimitIsAnErrorAtOnce) {
  Gathered gathered;
  gathered.sink->on_head(200, {});
  std::optional<Result<void>> resumed;
  gathered.sink->on_body("123456789", [&](Result<void> more) { resumed = std::move(more); });
  ASSERT_TRUE(resumed);
  EXPECT_FALSE(*resumed);
  ASSERT_TRUE(gathered.result);
  EXPECT_EQ(gathered.result->error().code, Code::kResourceExhausted);
  gathered.sink->on_error(make_error(Code::kUnavailable, "cut"));

  Gathered whole;
  EXPECT_TRUE(whole.sink->on_whole(200, {}, "123456789"));
  EXPECT_EQ(whole.result->error().code, Code::kResourceExhausted);
}

TEST(GuestInvoke, AnAnswerThatBreaksOffKeepsTheCode) {
  Gathered gathered;
  gathered.sink->on_head(200, {});
  gathered.sink->on_error(make_error(Code::kUnavailable, "the answer was cut off"));
  ASSERT_TRUE(gathered.result);
  EXPECT_EQ(gathered.result->error().code, Code::kUnavailable);
  EXPECT_EQ(gathered.result->error().reason, "ERR_DIRECT_INVOKE");
  EXPECT_THAT(gathered.result->error().message, HasSubstr("id: callee"));
}

TEST(GuestMessaging, SendsToWhatTheSettingsNameOrTheFirstOfTheApps) {
  pubsub::PubsubService service;
  for (const char* name : {"b", "a"}) {
    ASSERT_TRUE(service.add_broker({.name = name, .broker = std::make_unique<NoBroker>(), .scopes = {"app"}}));
  }
  EXPECT_EQ(find_pubsub(service, "app", "", "").value(), "a");
  EXPECT_EQ(find_pubsub(service, "app", "default", "b").value(), "b");
  EXPECT_EQ(find_pubsub(service, "app", "b", "a").value(), "b");
  EXPECT_EQ(find_pubsub(service, "app", "c", "a").error().code, Code::kNotFound);
  EXPECT_EQ(find_pubsub(service, "app", "", "c").error().code, Code::kNotFound);
  EXPECT_EQ(find_pubsub(service, "other", "a", "").error().code, Code::kNotFound) << "out of its scope";
}

TEST(GuestExports, AreReadFromTheNames) {
  const auto exported = [](std::string name) {
    return engine::Name{engine::Name::Direction::kExport, "interface", std::move(name)};
  };
  const auto of = [&](std::vector<engine::Name> names) { return exports_of(engine::ModuleKind::kLibrary, names); };
  EXPECT_TRUE(exports_of(engine::ModuleKind::kP1Command, {}).http);
  EXPECT_EQ(of({exported("tandem:dapr/topic-handler@0.1.3")}).topics, TopicExport::kDapr);
  EXPECT_FALSE(of({exported("tandem:dapr/topic-handler@0.1.0")}).http);
  EXPECT_EQ(of({exported("wasi:messaging/incoming-handler@0.2.0-draft"), exported("wasmcloud:messaging/handler@0.2.0")})
                .topics,
            TopicExport::kWasmcloud);
  EXPECT_TRUE(of({exported("tandem:dapr/binding-handler@0.1.0")}).bindings);
  EXPECT_TRUE(of({exported("tandem:dapr/configuration-handler@0.1.0")}).configuration);
  EXPECT_FALSE(of({exported("tandem:dapr/topic-handler@0.2.0")}).any_event());
  EXPECT_FALSE(of({{engine::Name::Direction::kImport, "interface", "tandem:dapr/topic-handler@0.1.0"}}).any_event());
}

}  // namespace
}  // namespace tandem::host
