#include "server/app_subscriptions.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace tandem::server {
namespace {

constexpr std::string_view kScope = "tandem.pubsub";

struct Wanted {
  config::Subscription subscription;
  std::string_view type;  // as the metadata API says it
};

// Where it was declared.
std::string place_of(const Wanted& wanted) {
  const config::Subscription& subscription = wanted.subscription;
  return subscription.file.empty() ? "the app's own answer"
                                   : fmt::format("{}:{}", subscription.file, subscription.line);
}

// The path that messages take when no rule matches, else that of the first rule.
std::string_view route_of(const config::Subscription& subscription) {
  if (!subscription.default_path.empty()) return subscription.default_path;
  return subscription.rules.empty() ? std::string_view() : std::string_view(subscription.rules.front().path);
}

void warn_of_two(const Logger& log, const Wanted& lost, const Wanted& kept) {
  log.warn(kScope, "two subscriptions to one topic: one of them counts",
           {{"pubsub", kept.subscription.pubsub_name},
            {"topic", kept.subscription.topic},
            {"used", fmt::format("{} ({})", route_of(kept.subscription), place_of(kept))},
            {"not_used", fmt::format("{} ({})", route_of(lost.subscription), place_of(lost))}});
}

std::vector<Wanted> one_a_topic(const Logger& log, std::vector<config::Subscription> declared,
                                std::vector<config::Subscription> own) {
  std::vector<Wanted> wanted;
  const auto same_topic = [&](const Wanted& one) {
    return std::ranges::find_if(wanted, [&](const Wanted& other) {
      return other.subscription.pubsub_name == one.subscription.pubsub_name &&
             other.subscription.topic == one.subscription.topic;
    });
  };
  for (config::Subscription& subscription : declared) {
    Wanted one{std::move(subscription), "DECLARATIVE"};
    if (const auto first = same_topic(one); first != wanted.end()) {
      warn_of_two(log, one, *first);
    } else {
      wanted.push_back(std::move(one));
    }
  }
  for (config::Subscription& subscription : own) {
    Wanted one{std::move(subscription), "PROGRAMMATIC"};
    if (const auto earlier = same_topic(one); earlier != wanted.end()) {
      warn_of_two(log, *earlier, one);
      *earlier = std::move(one);
    } else {
      wanted.push_back(std::move(one));
    }
  }
  return wanted;
}

api::http::SubscriptionInfo info_of(const Wanted& wanted) {
  const config::Subscription& subscription = wanted.subscription;
  api::http::SubscriptionInfo info;
  info.pubsub = subscription.pubsub_name;
  info.topic = subscription.topic;
  info.metadata = subscription.metadata;
  info.dead_letter_topic = subscription.dead_letter_topic;
  info.type = wanted.type;
  for (const config::RoutingRule& rule : subscription.rules) info.rules.push_back({rule.match, rule.path});
  if (!subscription.default_path.empty()) info.rules.push_back({"", subscription.default_path});
  return info;
}

bool is_same(const config::Subscription& one, const config::Subscription& other) {
  const auto rule = [](const config::RoutingRule& a, const config::RoutingRule& b) {
    return a.match == b.match && a.path == b.path;
  };
  return one.pubsub_name == other.pubsub_name && one.topic == other.topic && one.default_path == other.default_path &&
         std::ranges::equal(one.rules, other.rules, rule) && one.dead_letter_topic == other.dead_letter_topic &&
         one.metadata == other.metadata && one.bulk.enabled == other.bulk.enabled &&
         one.bulk.max_messages_count == other.bulk.max_messages_count &&
         one.bulk.max_await_duration_ms == other.bulk.max_await_duration_ms;
}

// Ends what is not among the wanted, or is wanted otherwise. Returns what goes on.
std::vector<config::Subscription> end_others(const std::string& app_id, const Logger& log,
                                             pubsub::PubsubService& pubsub, const std::vector<Wanted>& wanted) {
  std::vector<config::Subscription> going_on;
  for (pubsub::PubsubService::Active& active : pubsub.subscriptions(app_id)) {
    if (active.is_stream) continue;
    config::Subscription& running = active.subscription;
    const bool same =
        std::ranges::any_of(wanted, [&](const Wanted& one) { return is_same(one.subscription, running); });
    if (same) {
      going_on.push_back(std::move(running));
      continue;
    }
    pubsub.unsubscribe(app_id, running.pubsub_name, running.topic);
    log.info(kScope, "unsubscribed",
             {{"pubsub", running.pubsub_name}, {"topic", running.topic}, {"route", std::string(route_of(running))}});
  }
  return going_on;
}

}  // namespace

std::vector<api::http::SubscriptionInfo> start_subscriptions(const std::string& app_id, const Logger& log,
                                                             pubsub::PubsubService& pubsub, pubsub::EventSink& sink,
                                                             std::vector<config::Subscription> declared,
                                                             std::vector<config::Subscription> own) {
  std::vector<api::http::SubscriptionInfo> started;
  std::vector<Wanted> all = one_a_topic(log, std::move(declared), std::move(own));
  const std::vector<config::Subscription> going_on = end_others(app_id, log, pubsub, all);
  for (Wanted& wanted : all) {
    api::http::SubscriptionInfo info = info_of(wanted);
    if (std::ranges::any_of(going_on, [&](const auto& one) { return is_same(one, wanted.subscription); })) {
      started.push_back(std::move(info));
      continue;
    }
    const std::string route(route_of(wanted.subscription));
    const std::string place = place_of(wanted);
    const Status status = pubsub.subscribe(app_id, std::move(wanted.subscription), sink);
    if (status) {
      log.info(kScope, "subscribed", {{"pubsub", info.pubsub}, {"topic", info.topic}, {"route", route}});
      started.push_back(std::move(info));
    } else if (status.error().code != Code::kNotFound) {
      log.error(kScope, "a subscription could not be started",
                {{"pubsub", info.pubsub},
                 {"topic", info.topic},
                 {"route", route},
                 {"at", place},
                 {"error", status.error().message}});
    } else if (pubsub.has_broker(info.pubsub)) {
      log.info(kScope, "a subscription is left out: the pub/sub's scopes do not name this app",
               {{"pubsub", info.pubsub}, {"topic", info.topic}, {"route", route}, {"at", place}});
    } else {
      log.warn(kScope, "a subscription is left out: no pub/sub has that name",
               {{"pubsub", info.pubsub}, {"topic", info.topic}, {"route", route}, {"at", place}});
    }
  }
  return started;
}

std::vector<api::http::SubscriptionInfo> open_streams(std::string_view app_id, const pubsub::PubsubService& pubsub) {
  std::vector<api::http::SubscriptionInfo> streams;
  for (pubsub::PubsubService::Active& active : pubsub.subscriptions(app_id)) {
    if (active.is_stream) streams.push_back(info_of({std::move(active.subscription), "STREAMING"}));
  }
  return streams;
}

}  // namespace tandem::server
