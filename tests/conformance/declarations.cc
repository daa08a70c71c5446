#include "declarations.h"

#include <boost/json.hpp>
#include <chrono>
#include <future>
#include <utility>
#include <vector>

#include "app/subscriptions.h"

namespace tandem::conformance {
namespace {

constexpr std::chrono::seconds kPatience{20};

}  // namespace

std::string declaration(const config::Subscription& subscription) {
  boost::json::object one{
      {"pubsubname", subscription.pubsub_name}, {"topic", subscription.topic}, {"route", subscription.default_path}};
  if (!subscription.dead_letter_topic.empty()) one["deadLetterTopic"] = subscription.dead_letter_topic;
  boost::json::object metadata;
  for (const auto& [name, value] : subscription.metadata) metadata[name] = value;
  if (!metadata.empty()) one["metadata"] = metadata;
  return boost::json::serialize(boost::json::array{one});
}

Status subscribe_declared(Executor& worker, net::Handler& handler, const std::string& app_id,
                          pubsub::PubsubService& service, pubsub::EventSink& sink) {
  using Subscriptions = Result<std::vector<config::Subscription>>;
  std::promise<Subscriptions> promise;
  std::future<Subscriptions> future = promise.get_future();
  worker.post([&handler, &app_id, promise = std::move(promise)]() mutable {
    app::fetch_subscriptions(handler, app_id, kPatience, [promise = std::move(promise)](Subscriptions got) mutable {
      promise.set_value(std::move(got));
    });
  });
  Subscriptions declared = future.get();
  if (!declared) return fail(std::move(declared.error()));
  if (declared->empty()) return fail(Code::kNotFound, "app " + app_id + " has declared no subscription");
  for (config::Subscription& subscription : *declared) {
    if (Status status = service.subscribe(app_id, std::move(subscription), sink); !status) return status;
  }
  return {};
}

}  // namespace tandem::conformance
