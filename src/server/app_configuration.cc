#include "server/app_configuration.h"

#include <fmt/ranges.h>

#include <chrono>
#include <future>
#include <utility>

namespace tandem::server {
namespace {

constexpr std::string_view kScope = "tandem.configuration";
constexpr std::chrono::seconds kPatience{30};

Result<std::string> subscribe(const std::string& app_id, configuration::ConfigurationService& service,
                              Executor& executor, const std::shared_ptr<configuration::Listener>& listener,
                              const configuration::Wish& wish) {
  CallContext context{.app_id = app_id, .deadline = std::chrono::steady_clock::now() + kPatience};
  auto answer = std::make_shared<std::promise<Result<std::string>>>();
  std::future<Result<std::string>> id = answer->get_future();
  executor.post([&, answer = std::move(answer)] {
    service.subscribe({context, executor}, wish.store, wish.keys, wish.metadata, listener,
                      [answer](Result<std::string> got) { answer->set_value(std::move(got)); });
  });
  try {
    return id.get();
  } catch (const std::future_error&) {
    return fail(Code::kCancelled, "the workers stopped before there was an answer");
  }
}

}  // namespace

std::vector<ConfigurationSubscription> start_configuration(const std::string& app_id, const Logger& log,
                                                           configuration::ConfigurationService& service,
                                                           Executor& executor,
                                                           const std::shared_ptr<configuration::Listener>& listener,
                                                           const std::vector<configuration::Wish>& wishes) {
  std::vector<ConfigurationSubscription> started;
  for (const configuration::Wish& wish : wishes) {
    const std::string keys = fmt::format("{}", fmt::join(wish.keys, ","));
    Result<std::string> id = subscribe(app_id, service, executor, listener, wish);
    if (id) {
      log.info(kScope, "subscribed to configuration", {{"store", wish.store}, {"keys", keys}, {"id", *id}});
      started.push_back({wish.store, std::move(*id)});
    } else {
      log.error(kScope, "a subscription to configuration could not be started",
                {{"store", wish.store}, {"keys", keys}, {"error", id.error().message}});
    }
  }
  return started;
}

void end_configuration(const std::string& app_id, configuration::ConfigurationService& service, Executor& executor,
                       std::vector<ConfigurationSubscription> subscriptions) {
  if (subscriptions.empty()) return;
  executor.post([&service, &executor, app_id, subscriptions = std::move(subscriptions)] {
    for (const ConfigurationSubscription& one : subscriptions) {
      CallContext context{.app_id = app_id, .deadline = std::chrono::steady_clock::now() + kPatience};
      service.unsubscribe({context, executor}, one.store, one.id, [](const Result<void>&) {});
    }
  });
}

}  // namespace tandem::server
