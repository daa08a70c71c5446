// For tests: a state store, a broker and an app in memory, that do as they are told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "blocks/configuration/configuration_store.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "blocks/secrets/secret_store.h"
#include "blocks/state/state_store.h"
#include "net/http.h"

namespace tandem::api::http {

// Keeps values with a counter as ETag. A key that ends in "broken" fails every operation.
class FakeStore final : public state::Store {
 public:
  explicit FakeStore(state::Features features) : features_(features) {}

  state::Features features() const override { return features_; }
  void ping(const CallContext&, Completion<void> done) override { done({}); }

  void get(const CallContext&, const state::GetRequest& request, Completion<state::GetResponse> done) override {
    consistency = request.consistency;
    if (request.key.ends_with("broken")) return done(fail(Code::kUnavailable, "disk on fire"));
    const auto found = items.find(request.key);
    done(found == items.end() ? state::GetResponse{} : found->second);
  }
  void set(const CallContext&, state::SetRequest request, Completion<void> done) override {
    if (const Status status = check(request.key, request.etag); !status) return done(status);
    apply(std::move(request));
    done({});
  }
  void remove(const CallContext&, state::DeleteRequest request, Completion<void> done) override {
    if (const Status status = check(request.key, request.etag); !status) return done(status);
    last_delete = request;
    items.erase(request.key);
    done({});
  }
  void transact(const CallContext&, std::vector<state::Operation> operations, Completion<void> done) override {
    for (const state::Operation& operation : operations) {
      const Status status =
          std::visit([&](const auto& request) { return check(request.key, request.etag); }, operation);
      if (!status) return done(status);
    }
    for (state::Operation& operation : operations) {
      if (auto* set = std::get_if<state::SetRequest>(&operation)) {
        apply(std::move(*set));
      } else {
        items.erase(std::get<state::DeleteRequest>(operation).key);
      }
    }
    done({});
  }

  std::map<std::string, state::GetResponse, std::less<>> items;
  state::Consistency consistency = state::Consistency::kUnspecified;
  state::SetRequest last_set;
  state::DeleteRequest last_delete;

 private:
  Status check(const std::string& key, const std::optional<std::string>& etag) const {
    if (key.ends_with("broken")) return fail(Code::kUnavailable, "disk on fire");
    if (!etag) return {};
    if (*etag == "not-an-etag") return fail(state::etag_invalid("not a number"));
    const auto found = items.find(key);
    if (found == items.end() || found->second.etag != *etag) return fail(state::etag_mismatch(""));
    return {};
  }
  void apply(state::SetRequest request) {
    state::GetResponse& item = items[request.key];
    item.data = request.value;
    item.etag = std::to_string(++writes_);
    if (request.ttl_seconds && *request.ttl_seconds > 0) item.expires_at_ms = *request.ttl_seconds * 1000;
    last_set = std::move(request);
  }

  state::Features features_;
  std::int64_t writes_ = 0;
};

// Keeps what was published. A topic that ends in "broken" fails, and so does a message that contains "poison".
class FakeBroker final : public pubsub::Broker {
 public:
  void publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) override {
    if (request.topic.ends_with("broken") || request.data->find("poison") != std::string::npos) {
      return done(fail(Code::kUnavailable, "broker on fire"));
    }
    publisher = context.app_id;
    published.push_back(std::move(request));
    done({});
  }
  Result<std::unique_ptr<Subscription>> subscribe(std::string, std::string, Metadata, pubsub::MessageHandler) override {
    return fail(Code::kUnimplemented, "not in this test");
  }

  std::vector<pubsub::PublishRequest> published;
  std::string publisher;
};

// A secret "broken" fails.
class FakeSecrets final : public secrets::Store {
 public:
  secrets::Features features() const override { return {}; }
  void get(const CallContext&, std::string name, Metadata given, Completion<secrets::Secret> done) override {
    metadata = std::move(given);
    const auto found = all.find(name);
    if (found == all.end()) return done(fail(Code::kNotFound, "secret " + name + " not found"));
    done(found->second);
  }
  void bulk_get(const CallContext&, Metadata given, Completion<secrets::Secrets> done) override {
    metadata = std::move(given);
    if (all.contains("broken")) return done(fail(Code::kUnavailable, "vault on fire"));
    done(all);
  }

  secrets::Secrets all;
  Metadata metadata;
};

// A test changes it by change().
class FakeConfiguration final : public configuration::Store {
 public:
  void get(const CallContext&, std::vector<std::string> keys, Metadata,
           Completion<configuration::Items> done) override {
    configuration::Items found;
    for (const auto& [key, item] : items) {
      if (key == "broken") return done(fail(Code::kUnavailable, "store on fire"));
      if (keys.empty() || std::ranges::find(keys, key) != keys.end()) found.emplace(key, item);
    }
    done(std::move(found));
  }
  void subscribe(const CallContext&, configuration::SubscribeRequest request,
                 std::shared_ptr<configuration::Watcher> watcher, Completion<void> done) override {
    if (items.contains("broken")) return done(fail(Code::kUnavailable, "store on fire"));
    watchers[request.id] = {std::move(request.keys), std::move(watcher)};
    done({});
  }
  void unsubscribe(const CallContext&, std::string id, Completion<void> done) override {
    watchers.erase(id);
    done({});
  }

  void change(const std::string& key, configuration::Item item) {
    items[key] = item;
    for (const auto& [id, watcher] : watchers) {
      const auto& [keys, told] = watcher;
      if (keys.empty() || std::ranges::find(keys, key) != keys.end()) told->changed({{key, item}});
    }
  }

  configuration::Items items;
  std::map<std::string, std::pair<std::vector<std::string>, std::shared_ptr<configuration::Watcher>>> watchers;
};

// Answers with what it saw.
class FakeApp final : public invoke::Endpoint, private net::Handler {
 public:
  net::Handler& handler(std::size_t worker) override {
    last_worker = worker;
    return *this;
  }

  std::size_t last_worker = 0;
  std::string method;
  std::string target;
  std::string authority;
  TraceContext trace;
  std::string caller;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<Error> body_error;
  int status = 200;
  std::string content_type = "text/plain";  // of the answer; empty: it has none
  std::string answer = "hello from the app";

  std::optional<std::string> header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (net::equals_ignoring_case(key, name)) return value;
    }
    return std::nullopt;
  }

 private:
  void handle(std::unique_ptr<net::Exchange> exchange) override {
    method = exchange->head().method;
    target = exchange->head().target;
    authority = exchange->head().authority;
    trace = exchange->context().trace;
    caller = exchange->context().app_id;
    headers.clear();
    for (const net::Header& header : exchange->head().headers) headers.emplace_back(header.name, header.value);
    body.clear();
    body_error.reset();
    if (const auto whole = exchange->body().take_whole()) {
      body = *whole;
    } else {
      read_all(*exchange);
    }
    std::vector<net::Header> out = {{"X-App", "one"}, {"X-App", "two"}};
    if (!content_type.empty()) out.insert(out.begin(), {"Content-Type", content_type});
    exchange->start(status, out);
    const std::string_view text = answer;
    const std::size_t half = text.size() / 2;
    if (half > 0) exchange->write(text.substr(0, half), [](const Result<void>&) {});
    if (!text.empty()) exchange->write(text.substr(half), [](const Result<void>&) {});
    exchange->finish();
  }
  void read_all(net::Exchange& exchange) {
    for (bool more = true; more;) {
      exchange.body().read([&](Result<std::string_view> piece) {
        more = piece && !piece->empty();
        if (!piece) body_error = piece.error();
        if (piece) body += *piece;
      });
    }
  }
};

}  // namespace tandem::api::http
