// Starts what an app asks to hear of, of all configuration, when it starts (tandem:dapr/configuration-handler).
//
// No subscription stops the app: one that cannot be started is a line in its log. On a thread that may wait, with the
// workers running; returns when all of them are started, or refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "blocks/configuration/configuration_service.h"

namespace tandem::server {

// `executor` is where the updates come, and outlives the subscriptions.
// A subscription of the app's.
struct ConfigurationSubscription {
  std::string store;
  std::string id;
};

std::vector<ConfigurationSubscription> start_configuration(const std::string& app_id, const Logger& log,
                                                           configuration::ConfigurationService& service,
                                                           Executor& executor,
                                                           const std::shared_ptr<configuration::Listener>& listener,
                                                           const std::vector<configuration::Wish>& wishes);

// Ends them; what cannot be ended is gone already.
void end_configuration(const std::string& app_id, configuration::ConfigurationService& service, Executor& executor,
                       std::vector<ConfigurationSubscription> subscriptions);

}  // namespace tandem::server
