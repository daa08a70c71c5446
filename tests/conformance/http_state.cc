#include "http_state.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <ctime>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "api/http/dapr_api.h"
#include "base/base64.h"
#include "net/in_process.h"
#include "store_under_test.h"

namespace tandem::conformance {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kPatience{20};

struct Answer {
  int status = 0;
  std::string etag;
  std::string expires;
  std::string body;
};

class AnswerSink final : public net::ResponseSink {
 public:
  explicit AnswerSink(std::promise<Result<Answer>> promise) : promise_(std::move(promise)) {}
  void on_head(int status, net::Headers headers) override {
    answer_.status = status;
    answer_.etag = net::find_header(headers, "etag").value_or("");
    answer_.expires = net::find_header(headers, "metadata.ttlExpireTime").value_or("");
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    answer_.body += piece;
    resume({});
  }
  void on_end(net::Headers) override { promise_.set_value(std::move(answer_)); }
  void on_error(Error error) override { promise_.set_value(fail(std::move(error))); }

 private:
  std::promise<Result<Answer>> promise_;
  Answer answer_;
};

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

// "2026-11-22T21:40:00Z", with or without a fraction.
std::optional<std::int64_t> parse_time(const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::tm time{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) return std::nullopt;
  std::int64_t ms = static_cast<std::int64_t>(timegm(&time)) * 1000;
  if (*rest == '.') ms += static_cast<std::int64_t>(std::strtod(rest, nullptr) * 1000);
  return ms;
}

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
  HttpClient(api::http::DaprApi& api, ThreadLoop& loop, std::string store)
      : api_(api), loop_(loop), path_("/v1.0/state/" + store) {}

  Result<state::GetResponse> get(std::string_view key) override {
    const Result<Answer> answer = call("GET", path_ + "/" + percent_encode(key), "");
    if (!answer) return fail(answer.error());
    if (answer->status == 204) return state::GetResponse{};
    state::GetResponse response = from_json(json::parse(answer->body));
    response.etag = answer->etag;
    response.expires_at_ms = parse_time(answer->expires);
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
  // The HTTP API has no bulk delete: each key for itself, and the first failure.
  Result<void> bulk_remove(std::vector<state::DeleteRequest> requests) override {
    Result<void> first;
    for (state::DeleteRequest& request : requests) {
      Result<void> one = remove(std::move(request));
      if (!one && first) first = std::move(one);
    }
    return first;
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
    net::OwnedRequest request;
    request.method = std::move(method);
    request.authority = "localhost:3500";
    request.target = std::move(target);
    request.headers.push_back({"content-type", "application/json"});
    if (etag) request.headers.push_back({"if-match", *etag});
    std::promise<Result<Answer>> promise;
    std::future<Result<Answer>> future = promise.get_future();
    auto sink = std::make_unique<AnswerSink>(std::move(promise));
    auto exchange = net::make_in_process_exchange(std::move(request), std::move(body), {}, std::move(sink));
    // An exchange lives on one worker: the loop.
    loop_.post([this, exchange = std::move(exchange)]() mutable { api_.handle(std::move(exchange)); });
    if (future.wait_for(kPatience) != std::future_status::ready) {
      return fail(Code::kDeadlineExceeded, "the API has not answered");
    }
    Result<Answer> answer = future.get();
    if (!answer || answer->status < 400) return answer;
    const json::object error = json::parse(answer->body).as_object();
    const Code code = answer->status == 409   ? Code::kAborted
                      : answer->status == 400 ? Code::kInvalidArgument
                                              : Code::kInternal;
    return fail(code, std::string(error.at("errorCode").as_string()), std::string(error.at("message").as_string()));
  }

  static Result<void> done(Result<Answer> answer) {
    if (!answer) return fail(std::move(answer.error()));
    return {};
  }

  api::http::DaprApi& api_;
  ThreadLoop& loop_;
  const std::string path_;
};

class HttpState final : public StateDriver, private api::http::MetadataSource, private api::http::HealthSource {
 public:
  explicit HttpState(std::unique_ptr<StoreUnderTest> store) : store_(std::move(store)) {}

  bool has(std::string_view capability) const override { return store_->has(capability); }
  std::unique_ptr<StateClient> client(std::string app_id) override {
    const std::lock_guard lock(mutex_);
    doors_.push_back(std::make_unique<Door>(*this, std::move(app_id)));
    return std::make_unique<HttpClient>(doors_.back()->api, doors_.back()->loop, store_->name());
  }

 private:
  // An app's Dapr port, with a worker of its own.
  struct Door {
    Door(HttpState& owner, std::string app_id)
        : api({.app_id = std::move(app_id),
               .name_space = "default",
               .state = owner.store_->service(),
               .pubsub = owner.pubsub_,
               .invoke = owner.invoke_,
               .metadata = owner,
               .health = owner,
               .labels = owner.labels_,
               .worker = loop}) {}
    ThreadLoop loop;
    api::http::DaprApi api;
  };

  api::http::AppMetadata describe(std::string_view) const override { return {}; }
  std::vector<std::string> unready(std::string_view) const override { return {}; }
  void check_outbound(state::Caller, Completion<void> done) override { done({}); }

  const std::unique_ptr<StoreUnderTest> store_;
  pubsub::PubsubService pubsub_;
  invoke::InvokeService invoke_;
  api::http::AppLabels labels_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Door>> doors_;
};

}  // namespace

std::unique_ptr<StateDriver> make_http_state(const std::string& folder) {
  std::unique_ptr<StoreUnderTest> store = StoreUnderTest::make(folder);
  return store ? std::make_unique<HttpState>(std::move(store)) : nullptr;
}

}  // namespace tandem::conformance
