#include "http_state.h"

#include <boost/json.hpp>
#include <mutex>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "dapr_port.h"
#include "expiry.h"
#include "store_under_test.h"

namespace tandem::conformance {
namespace {

namespace json = boost::json;

// A value travels as a JSON string, because the API takes JSON: base64, so that every byte does.
json::object to_json(const state::SetRequest& request) {
  json::object out{{"key", request.key}, {"value", base64_encode(*request.value)}};
  if (request.etag) out["etag"] = *request.etag;
  json::object metadata;
  for (const auto& [name, value] : request.metadata) metadata[name] = value;
  if (request.ttl_seconds) metadata["ttlInSeconds"] = std::to_string(*request.ttl_seconds);
  if (!metadata.empty()) out["metadata"] = metadata;
  if (request.concurrency == state::Concurrency::kFirstWrite) out["options"] = {{"concurrency", "first-write"}};
  if (request.concurrency == state::Concurrency::kLastWrite) out["options"] = {{"concurrency", "last-write"}};
  return out;
}

state::GetResponse from_json(const json::value& data) {
  state::GetResponse response;
  if (!data.is_string()) return response;
  Result<std::string> bytes = base64_decode(data.get_string());
  if (bytes) response.data = share(std::move(*bytes));
  return response;
}

class HttpClient final : public StateClient {
 public:
  HttpClient(DaprPort& port, const std::string& store) : port_(port), path_("/v1.0/state/" + store) {}

  Result<state::GetResponse> get(std::string_view key) override {
    const Result<Answer> answer = call("GET", path_ + "/" + percent_encode(key), "");
    if (!answer) return fail(answer.error());
    if (answer->status == 204) return state::GetResponse{};
    state::GetResponse response = from_json(json::parse(answer->body));
    response.etag = answer->header("etag");
    response.expires_at_ms = parse_expiry(answer->header("metadata.ttlExpireTime"));
    return response;
  }
  Result<void> set(state::SetRequest request) override {
    return done(call("POST", path_, json::serialize(json::array{to_json(request)})));
  }
  Result<void> remove(state::DeleteRequest request) override {
    std::string target = path_ + "/" + percent_encode(request.key);
    if (request.concurrency == state::Concurrency::kFirstWrite) target += "?concurrency=first-write";
    return done(call("DELETE", target, "", request.etag));
  }
  Result<std::vector<state::BulkGetItem>> bulk_get(std::vector<std::string> keys) override {
    const std::string body = json::serialize(json::object{{"keys", json::value_from(keys)}});
    const Result<Answer> answer = call("POST", path_ + "/bulk", body);
    if (!answer) return fail(answer.error());
    std::vector<state::BulkGetItem> items;
    for (const json::value& one : json::parse(answer->body).as_array()) {
      const json::object& fields = one.as_object();
      state::BulkGetItem item;
      item.key = std::string(fields.at("key").as_string());
      if (const json::value* data = fields.if_contains("data")) item.value = from_json(*data);
      if (const json::value* etag = fields.if_contains("etag")) item.value.etag = std::string(etag->as_string());
      if (const json::value* error = fields.if_contains("error")) {
        item.error = make_error(Code::kInternal, std::string(error->as_string()));
      }
      items.push_back(std::move(item));
    }
    return items;
  }
  Result<void> bulk_set(std::vector<state::SetRequest> requests) override {
    json::array body;
    for (const state::SetRequest& request : requests) body.push_back(to_json(request));
    return done(call("POST", path_, json::serialize(body)));
  }
  Result<void> bulk_remove(std::vector<state::DeleteRequest>) override {
    return fail(Code::kUnimplemented, "Dapr's HTTP API has no bulk delete");
  }
  Result<void> transact(std::vector<state::Operation> operations) override {
    json::array list;
    for (const state::Operation& operation : operations) {
      if (const auto* set = std::get_if<state::SetRequest>(&operation)) {
        list.push_back(json::object{{"operation", "upsert"}, {"request", to_json(*set)}});
      } else {
        const auto& remove = std::get<state::DeleteRequest>(operation);
        json::object request{{"key", remove.key}};
        if (remove.etag) request["etag"] = *remove.etag;
        list.push_back(json::object{{"operation", "delete"}, {"request", request}});
      }
    }
    return done(call("POST", path_ + "/transaction", json::serialize(json::object{{"operations", list}})));
  }

 private:
  Result<Answer> call(std::string method, std::string target, std::string body,
                      const std::optional<std::string>& etag = std::nullopt) {
    net::OwnedHeaders headers = {{"content-type", "application/json"}};
    if (etag) headers.push_back({"if-match", *etag});
    return port_.call(std::move(method), std::move(target), std::move(body), std::move(headers));
  }

  static Result<void> done(Result<Answer> answer) {
    if (!answer) return fail(std::move(answer.error()));
    return {};
  }

  DaprPort& port_;
  const std::string path_;
};

class HttpState final : public StateDriver {
 public:
  explicit HttpState(std::unique_ptr<StoreUnderTest> store) : store_(std::move(store)) {}

  bool has(std::string_view capability) const override { return store_->has(capability); }
  std::string lacks(StateCall call) const override {
    return call == StateCall::kBulkRemove ? "Dapr's HTTP API has no bulk delete" : "";
  }
  std::unique_ptr<StateClient> client(std::string app_id) override {
    const std::lock_guard lock(mutex_);
    ports_.push_back(std::make_unique<DaprPort>(std::move(app_id), store_->service(), pubsub_));
    return std::make_unique<HttpClient>(*ports_.back(), store_->name());
  }

 private:
  const std::unique_ptr<StoreUnderTest> store_;
  pubsub::PubsubService pubsub_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<DaprPort>> ports_;
};

}  // namespace

std::unique_ptr<StateDriver> make_http_state(const std::string& folder) {
  std::unique_ptr<StoreUnderTest> store = StoreUnderTest::make(folder);
  return store ? std::make_unique<HttpState>(std::move(store)) : nullptr;
}

}  // namespace tandem::conformance
