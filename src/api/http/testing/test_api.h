// For tests and fuzzing: a whole Dapr API over fakes, called as a client calls it.
//
//   TestApi api;
//   const Answer answer = api.call({.method = "POST", .target = "/v1.0/state/store", .body = "[]"});
//
// Stores "store" (all features) and "plain" (no transactions), pub/sub "bus", secret store "vault" (whose secret
// "denied" is), configuration store "items", apps "caller" (whose port it is) and
// "callee".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/http/dapr_api.h"
#include "api/http/testing/fake_backends.h"
#include "api/http/testing/fake_exchange.h"
#include "base/testing/test_loop.h"

namespace tandem::api::http {

class FakeMetadata final : public MetadataSource {
 public:
  AppMetadata describe(std::string_view) const override { return metadata; }
  AppMetadata metadata;
};

class FakeHealth final : public HealthSource {
 public:
  std::vector<std::string> unready(std::string_view) const override { return targets; }
  void check_outbound(state::Caller, Completion<void> done) override { done(outbound); }

  std::vector<std::string> targets;
  Status outbound;
};

enum class Backends { kAll, kNone };

class TestApi final {
 public:
  explicit TestApi(Backends backends = Backends::kAll, std::function<void(ApiOptions&)> change = nullptr) : state("") {
    if (backends == Backends::kAll) add_backends();
    ApiOptions options{.app_id = "caller",
                       .state = state,
                       .pubsub = pubsub,
                       .secrets = secrets,
                       .configuration = configuration,
                       .bindings = bindings,
                       .invoke = invoke,
                       .metadata = metadata,
                       .health = health,
                       .labels = labels,
                       .worker = loop,
                       .worker_index = 3,
                       .request_shutdown = [this] { ++shutdowns; }};
    if (change) change(options);
    api = std::make_unique<DaprApi>(std::move(options));
  }

  Answer call(Request request) {
    auto answer = std::make_shared<Answer>();
    api->handle(std::make_unique<FakeExchange>(std::move(request), answer));
    loop.run_ready();
    return *answer;
  }
  // Body reads wait for `paused`.
  std::shared_ptr<Answer> call_slowly(Request request, PausedReads& paused) {
    auto answer = std::make_shared<Answer>();
    api->handle(std::make_unique<FakeExchange>(std::move(request), answer, &paused));
    return answer;
  }
  Answer get(std::string target) { return call({.target = std::move(target)}); }
  Answer post(std::string target, std::string body) {
    return call({.method = "POST", .target = std::move(target), .body = std::move(body)});
  }

  TestLoop loop;
  state::StateService state;
  pubsub::PubsubService pubsub;
  secrets::SecretService secrets{{{.store_name = "vault", .denied = {"denied"}}}};
  configuration::ConfigurationService configuration;
  bindings::BindingService bindings{{}};
  invoke::InvokeService invoke;
  FakeMetadata metadata;
  FakeHealth health;
  AppLabels labels;
  int shutdowns = 0;
  // Owned by the services; null without backends.
  FakeStore* store = nullptr;
  FakeStore* plain = nullptr;
  FakeBroker* bus = nullptr;
  FakeSecrets* vault = nullptr;
  FakeConfiguration* items = nullptr;
  FakeApp caller;
  FakeApp callee;
  std::unique_ptr<DaprApi> api;

 private:
  void add_backends() {
    auto full = std::make_unique<FakeStore>(state::Features{.etag = true, .transactional = true, .ttl = true});
    auto poor = std::make_unique<FakeStore>(state::Features{});
    auto broker = std::make_unique<FakeBroker>();
    store = full.get();
    plain = poor.get();
    bus = broker.get();
    auto secret_store = std::make_unique<FakeSecrets>();
    auto configuration_store = std::make_unique<FakeConfiguration>();
    vault = secret_store.get();
    items = configuration_store.get();
    added = state.add({.name = "store", .store = std::move(full)}) &&
            state.add({.name = "plain", .store = std::move(poor)}) &&
            pubsub.add_broker({.name = "bus", .broker = std::move(broker)}) && invoke.add("caller", caller) &&
            invoke.add("callee", callee) && secrets.add({.name = "vault", .store = std::move(secret_store)}) &&
            configuration.add({.name = "items", .store = std::move(configuration_store)});
  }

 public:
  bool added = false;
};

}  // namespace tandem::api::http
