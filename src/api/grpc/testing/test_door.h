// For tests: a gRPC door over a worker, a store, a broker and an app in memory, and a client of it.
//
//   TestDoor door;
//   door.stub().GetState(&context, request, &response);
//
// Store "store" (all features) and "plain" (no transactions), pub/sub "bus", secret store "vault", configuration store
// "items", apps "caller" (whose port it is),
// "callee" and "speaker", which speaks gRPC once a test has put its route into `routes`. A key that ends in "broken"
// fails every operation, a key that ends in "late" completes on another thread, a topic "closed" takes nothing.
// Messages reach a subscriber when the test delivers them.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/grpc/grpc_door.h"
#include "dapr/proto/runtime/v1/dapr.grpc.pb.h"

namespace tandem::api::grpc {

class TestStore final : public state::Store {
 public:
  explicit TestStore(state::Features features) : features_(features) {}

  state::Features features() const override { return features_; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }

  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    const std::scoped_lock lock(mutex_);
    last_context = context;
    if (request.key.ends_with("broken")) return done(fail(Code::kUnavailable, "disk on fire"));
    const auto found = items.find(request.key);
    state::GetResponse response = found == items.end() ? state::GetResponse{} : found->second;
    if (!request.key.ends_with("late")) return done(std::move(response));
    later_.emplace_back(
        [done = std::move(done), response = std::move(response)]() mutable { done(std::move(response)); });
  }
  void set(const CallContext&, state::SetRequest request, Completion<void> done) override {
    const std::scoped_lock lock(mutex_);
    if (request.key.ends_with("broken")) return done(fail(Code::kUnavailable, "disk on fire"));
    const auto found = items.find(request.key);
    if (request.etag && (found == items.end() || found->second.etag != *request.etag)) {
      return done(fail(state::etag_mismatch("")));
    }
    state::GetResponse value{.data = request.value, .etag = std::to_string(++writes_)};
    if (request.ttl_seconds) value.expires_at_ms = 1'800'000'000'000;
    items[request.key] = std::move(value);
    done({});
  }
  void remove(const CallContext&, state::DeleteRequest request, Completion<void> done) override {
    const std::scoped_lock lock(mutex_);
    if (request.key.ends_with("broken")) return done(fail(Code::kUnavailable, "disk on fire"));
    items.erase(request.key);
    done({});
  }
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override {
    for (state::Operation& operation : operations) {
      if (auto* write = std::get_if<state::SetRequest>(&operation)) {
        set(context, std::move(*write), [](Result<void>) {});
      } else {
        remove(context, std::move(std::get<state::DeleteRequest>(operation)), [](Result<void>) {});
      }
    }
    done({});
  }

  std::map<std::string, state::GetResponse, std::less<>> items;
  CallContext last_context;

 private:
  const state::Features features_;
  std::mutex mutex_;
  int writes_ = 0;
  std::vector<std::jthread> later_;
};

class TestBroker final : public pubsub::Broker {
 public:
  void publish(const CallContext&, pubsub::PublishRequest request, Completion<void> done) override {
    if (request.topic == "closed") return done(fail(Code::kUnavailable, "queue is full"));
    published.push_back(std::move(request));
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string topic, std::string, Metadata,
                                                  pubsub::MessageHandler handler) override {
    const std::scoped_lock lock(mutex_);
    subscribers_.push_back({topic, std::make_shared<pubsub::MessageHandler>(std::move(handler))});
    return std::make_unique<Listening>(*this, subscribers_.back().handler);
  }

  // To the first subscriber of the topic; what it makes of the message.
  std::future<Result<pubsub::Verdict>> deliver(const std::string& topic, std::string data) {
    std::shared_ptr<pubsub::MessageHandler> handler;
    {
      const std::scoped_lock lock(mutex_);
      for (const Subscriber& one : subscribers_) {
        if (one.topic == topic && handler == nullptr) handler = one.handler;
      }
    }
    auto promise = std::make_shared<std::promise<Result<pubsub::Verdict>>>();
    if (handler == nullptr) {
      promise->set_value(fail(Code::kNotFound, "nobody has subscribed"));
    } else {
      (*handler)({.topic = topic, .data = share(std::move(data))},
                 [promise](Result<pubsub::Verdict> verdict) { promise->set_value(std::move(verdict)); });
    }
    return promise->get_future();
  }
  std::size_t subscribers() {
    const std::scoped_lock lock(mutex_);
    return subscribers_.size();
  }

  std::vector<pubsub::PublishRequest> published;

 private:
  struct Subscriber {
    std::string topic;
    std::shared_ptr<pubsub::MessageHandler> handler;
  };
  class Listening final : public Subscription {
   public:
    Listening(TestBroker& broker, std::shared_ptr<pubsub::MessageHandler> handler)
        : broker_(broker), handler_(std::move(handler)) {}
    ~Listening() override {
      const std::scoped_lock lock(broker_.mutex_);
      std::erase_if(broker_.subscribers_, [this](const Subscriber& one) { return one.handler == handler_; });
    }

   private:
    TestBroker& broker_;
    const std::shared_ptr<pubsub::MessageHandler> handler_;
  };

  std::mutex mutex_;
  std::vector<Subscriber> subscribers_;
};

// One secret, "key" with the value "value".
class TestSecrets final : public secrets::Store {
 public:
  secrets::Features features() const override { return {}; }
  void get(const CallContext&, std::string name, Metadata, Completion<secrets::Secret> done) override {
    if (name != "key") return done(fail(Code::kNotFound, "secret " + name + " not found"));
    done(secrets::Secret{{"key", "value"}});
  }
  void bulk_get(const CallContext&, Metadata, Completion<secrets::Secrets> done) override {
    done(secrets::Secrets{{"key", {{"key", "value"}}}});
  }
};

// One item, "key" with the value "value"; every watcher hears of every change.
class TestConfiguration final : public configuration::Store {
 public:
  void get(const CallContext&, std::vector<std::string> keys, Metadata,
           Completion<configuration::Items> done) override {
    if (keys == std::vector<std::string>{"broken"}) return done(fail(Code::kUnavailable, "store on fire"));
    done(configuration::Items{{"key", {.value = "value", .version = "1"}}});
  }
  void subscribe(const CallContext&, configuration::SubscribeRequest request,
                 std::shared_ptr<configuration::Watcher> watcher, Completion<void> done) override {
    if (request.keys == std::vector<std::string>{"broken"}) return done(fail(Code::kUnavailable, "store on fire"));
    {
      const std::scoped_lock lock(mutex_);
      watchers_[request.id] = std::move(watcher);
    }
    done({});
  }
  void unsubscribe(const CallContext&, std::string id, Completion<void> done) override {
    {
      const std::scoped_lock lock(mutex_);
      watchers_.erase(id);
    }
    done({});
  }

  void change(const std::string& key, const configuration::Item& item) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, watcher] : watchers_) watcher->changed({{key, item}});
  }
  std::size_t watchers() const {
    const std::scoped_lock lock(mutex_);
    return watchers_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<configuration::Watcher>> watchers_;
};

// Answers what the test sets, and keeps what it was asked.
class TestApp final : public invoke::Endpoint, private net::Handler {
 public:
  net::Handler& handler(std::size_t) override { return *this; }

  int status = 200;
  std::vector<std::pair<std::string, std::string>> answer_headers = {{"Content-Type", "text/plain"}};
  std::string answer = "hello";
  bool answers = true;  // else the exchange is kept

  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;
  std::string body;
  CallContext context;
  std::unique_ptr<net::Exchange> kept;
  std::atomic<bool> keeps = false;

 private:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    method = exchange->head().method;
    target = exchange->head().target;
    for (const net::Header& header : exchange->head().headers) headers[std::string(header.name)] = header.value;
    body = exchange->body().take_whole().value_or("");
    context = exchange->context();
    if (!answers) {
      kept = std::move(exchange);
      keeps = true;
      return;
    }
    std::vector<net::Header> out;
    for (const auto& [name, value] : answer_headers) out.push_back({name, value});
    exchange->respond(status, out, answer);
  }
};

// Knows the apps that a test puts there before it calls.
class TestRoutes final : public net::grpc::CallRouter {
 public:
  const net::grpc::CallRoute* here(std::string_view app_id) const override {
    const auto found = apps.find(app_id);
    return found == apps.end() ? nullptr : &found->second;
  }
  void find(std::string_view target, Completion<net::grpc::CallRoute> done) const override {
    if (const auto* route = here(target)) return done(*route);
    done(fail(Code::kUnknown, "couldn't find service: " + std::string(target)));
  }

  std::map<std::string, net::grpc::CallRoute, std::less<>> apps;
};

class TestDoor final : private sidecar::MetadataSource {
 public:
  explicit TestDoor(std::string api_token = "") : state_("") {
    auto store = std::make_unique<TestStore>(state::Features{.etag = true, .transactional = true, .ttl = true});
    this->store = store.get();
    (void)state_.add({.name = "store", .store = std::move(store)});
    (void)state_.add({.name = "plain", .store = std::make_unique<TestStore>(state::Features{.etag = true})});
    auto broker = std::make_unique<TestBroker>();
    this->broker = broker.get();
    (void)pubsub_.add_broker({.name = "bus", .broker = std::move(broker)});
    auto items = std::make_unique<TestConfiguration>();
    this->items = items.get();
    (void)configuration_.add({.name = "items", .store = std::move(items)});
    (void)secrets_.add({.name = "vault", .store = std::make_unique<TestSecrets>()});
    (void)invoke_.add("caller", app);
    (void)invoke_.add("callee", app);
    (void)invoke_.add("speaker", app);
    door = *GrpcDoor::listen(workers_, {.purpose = "a test"}, options("caller", std::move(api_token)));
    channel = ::grpc::CreateChannel("127.0.0.1:" + std::to_string(door->port()), ::grpc::InsecureChannelCredentials());
    stub_ = ::dapr::proto::runtime::v1::Dapr::NewStub(channel);
    workers_.start();
  }
  ~TestDoor() {
    app.kept.reset();
    door.reset();
    workers_.stop();
  }

  ::dapr::proto::runtime::v1::Dapr::Stub& stub() { return *stub_; }
  ApiOptions options(std::string app_id, std::string api_token) {
    return {.app_id = std::move(app_id),
            .state = state_,
            .pubsub = pubsub_,
            .secrets = secrets_,
            .configuration = configuration_,
            .bindings = bindings,
            .invoke = invoke_,
            .routes = &routes,
            .metadata = *this,
            .labels = labels,
            .workers = {&workers_[0]},
            .max_message_bytes = 64 * 1024,
            .api_token = std::move(api_token),
            .request_shutdown = [this] { ++shutdowns; }};
  }

  pubsub::PubsubService& pubsub() { return pubsub_; }

  TestStore* store = nullptr;
  TestBroker* broker = nullptr;
  TestConfiguration* items = nullptr;
  TestApp app;
  TestRoutes routes;
  bindings::BindingService bindings{{}};
  sidecar::AppLabels labels;
  sidecar::AppMetadata metadata;
  std::atomic<int> shutdowns = 0;
  std::shared_ptr<::grpc::Channel> channel;
  std::unique_ptr<GrpcDoor> door;

 private:
  sidecar::AppMetadata describe(std::string_view) const override { return metadata; }

  net::Workers workers_{1};
  state::StateService state_;
  pubsub::PubsubService pubsub_;
  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  invoke::InvokeService invoke_;
  std::unique_ptr<::dapr::proto::runtime::v1::Dapr::Stub> stub_;
};

}  // namespace tandem::api::grpc
