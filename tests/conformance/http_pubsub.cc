#include "http_pubsub.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <mutex>
#include <utility>

#include "app/delivery.h"
#include "arrivals.h"
#include "base/base64.h"
#include "base/log.h"
#include "broker_under_test.h"
#include "dapr_port.h"
#include "declarations.h"

namespace tandem::conformance {
namespace {

namespace json = boost::json;
using pubsub::Verdict;

struct RouteAnswer {
  int status;
  std::string body;
};

// An app may say it by the status or in the body.
RouteAnswer by_status(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSuccess: return {204, ""};
    case Verdict::kRetry: return {500, ""};
    case Verdict::kDrop: return {404, ""};
  }
  return {500, ""};
}

RouteAnswer in_body(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSuccess: return {200, R"({"status":"SUCCESS"})"};
    case Verdict::kRetry: return {200, R"({"status":"RETRY"})"};
    case Verdict::kDrop: return {200, R"({"status":"DROP"})"};
  }
  return {500, ""};
}

// The app: its routes. On one worker, but for what has come.
class Routes final : public net::Handler {
 public:
  explicit Routes(std::vector<Verdict> verdicts) : verdicts_(std::move(verdicts)) {}

  void handle(std::unique_ptr<net::Exchange> exchange) override {
    const RouteAnswer answer = answer_to(*exchange);
    exchange->respond(answer.status, {}, answer.body);
  }

  void declare(std::string answer) {
    const std::lock_guard lock(mutex_);
    declaration_ = std::move(answer);
  }
  std::vector<Received> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  RouteAnswer answer_to(net::Exchange& exchange) {
    const net::RequestHead& head = exchange.head();
    const std::lock_guard lock(mutex_);
    if (head.target == "/dapr/subscribe") return {200, declaration_};
    if (head.method != "POST") return {405, "an event is a POST"};
    const std::size_t number = received_.size();
    const Verdict verdict = number < verdicts_.size() ? verdicts_[number] : Verdict::kSuccess;
    received_.push_back({std::string(head.target),
                         std::string(net::find_header(head.headers, "pubsubname").value_or("")),
                         std::string(net::find_header(head.headers, "content-type").value_or("")),
                         std::string(exchange.body().take_whole().value_or("the body is not all there"))});
    return number % 2 == 0 ? by_status(verdict) : in_body(verdict);
  }

  const std::vector<Verdict> verdicts_;
  mutable std::mutex mutex_;
  std::string declaration_;
  std::vector<Received> received_;
};

std::string query_of(const Metadata& metadata) {
  std::string query;
  for (const auto& [name, value] : metadata) {
    query += query.empty() ? '?' : '&';
    query += "metadata." + percent_encode(name) + "=" + percent_encode(value);
  }
  return query;
}

// An entry's event is JSON for data that is JSON, a string for text, base64 for bytes.
json::object to_json(const BulkEvent& event) {
  json::object entry{{"entryId", event.entry_id}, {"contentType", event.content_type}};
  if (event.content_type.ends_with("json")) {
    entry["event"] = json::parse(event.data);
  } else if (event.content_type == "application/octet-stream") {
    entry["event"] = base64_encode(event.data);
  } else {
    entry["event"] = event.data;
  }
  json::object metadata;
  for (const auto& [name, value] : event.metadata) metadata[name] = value;
  if (!metadata.empty()) entry["metadata"] = metadata;
  return entry;
}

class HttpApp final : public PubsubApp, private pubsub::EventSink {
 public:
  HttpApp(pubsub::PubsubService& service, std::string app_id, std::vector<Verdict> verdicts)
      : service_(service), app_id_(std::move(app_id)), routes_(std::move(verdicts)), port_(app_id_, state_, service) {}

  Result<void> publish(Event event) override {
    net::OwnedHeaders headers;
    if (!event.content_type.empty()) headers.push_back({"content-type", event.content_type});
    const std::string target = "/v1.0/publish/" + percent_encode(event.pubsub) + "/" + percent_encode(event.topic);
    const Result<Answer> answer =
        port_.call("POST", target + query_of(event.metadata), std::move(event.data), std::move(headers));
    if (!answer) return fail(answer.error());
    EXPECT_EQ(answer->status, 204) << answer->body;
    return {};
  }
  Result<std::vector<std::string>> publish_many(std::string pubsub, std::string topic, std::vector<BulkEvent> events,
                                                Metadata metadata) override {
    json::array body;
    for (const BulkEvent& event : events) body.push_back(to_json(event));
    const std::string target =
        "/v1.0-alpha1/publish/bulk/" + percent_encode(pubsub) + "/" + percent_encode(topic) + query_of(metadata);
    const Result<Answer> answer =
        port_.ask("POST", target, json::serialize(body), {{"content-type", "application/json"}});
    if (!answer) return fail(answer.error());
    std::vector<std::string> failed;
    if (answer->status == 204) return failed;
    boost::system::error_code broken;
    const json::value told = json::parse(answer->body, broken);
    const json::value* entries = !broken && told.is_object() ? told.get_object().if_contains("failedEntries") : nullptr;
    if (entries == nullptr) return fail(error_of(*answer));
    for (const json::value& entry : entries->as_array()) {
      failed.emplace_back(entry.as_object().at("entryId").as_string());
    }
    return failed;
  }
  Status subscribe(config::Subscription subscription) override {
    routes_.declare(declaration(subscription));
    return subscribe_declared(worker_, routes_, app_id_, service_, *this);
  }
  std::vector<Received> wait_for(std::size_t count) override {
    arrivals_.wait_for(count);
    return routes_.received();
  }

 private:
  void deliver(pubsub::Delivery delivery, Completion<Verdict> done) override {
    worker_.post([this, delivery = std::move(delivery), done = std::move(done)]() mutable {
      app::deliver_to(routes_, app_id_, std::chrono::seconds(20), log_, std::move(delivery),
                      [this, done = std::move(done)](Result<Verdict> verdict) mutable {
                        arrivals_.one_more();
                        done(std::move(verdict));
                      });
    });
  }

  pubsub::PubsubService& service_;
  const std::string app_id_;
  const Logger log_{Logger::Options{.level = LogLevel::kError}};
  state::StateService state_{"default"};
  Arrivals arrivals_;
  Routes routes_;
  DaprPort port_;
  ThreadLoop worker_;
};

class HttpPubsub final : public PubsubDriver {
 public:
  explicit HttpPubsub(std::unique_ptr<BrokerUnderTest> broker) : broker_(std::move(broker)) {}

  const std::string& name() const override { return broker_->name(); }
  PubsubApp& app(std::string app_id, std::vector<Verdict> verdicts) override {
    return *apps_.emplace_back(std::make_unique<HttpApp>(broker_->service(), std::move(app_id), std::move(verdicts)));
  }
  void stop_subscriptions() override { broker_->service().stop_subscriptions(); }

 private:
  std::vector<std::unique_ptr<HttpApp>> apps_;
  const std::unique_ptr<BrokerUnderTest> broker_;  // ends before the apps
};

}  // namespace

std::unique_ptr<PubsubDriver> make_http_pubsub(const std::string& folder) {
  std::unique_ptr<BrokerUnderTest> broker = BrokerUnderTest::make(folder);
  return broker ? std::make_unique<HttpPubsub>(std::move(broker)) : nullptr;
}

}  // namespace tandem::conformance
