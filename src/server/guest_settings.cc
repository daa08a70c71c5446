#include "server/guest_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace tandem::server {
namespace {

auto missing(const config::AppSpec& app, std::string_view key, std::string_view kind, std::string_view name) {
  return fail(Code::kInvalidArgument, fmt::format("{}:{}: app {}: {} names {} \"{}\", which this app does not have",
                                                  app.file, app.line, app.app_id, key, kind, name));
}

}  // namespace

Result<host::GuestSettings> guest_settings(const config::AppSpec& app, const host::HostServices& services) {
  host::GuestSettings settings;
  if (!app.messaging_pubsub.empty()) {
    if (std::ranges::count(services.pubsub.broker_names(app.app_id), app.messaging_pubsub) == 0) {
      return missing(app, "messagingPubsub", "the pubsub", app.messaging_pubsub);
    }
    settings.messaging_pubsub = app.messaging_pubsub;
  }
  if (!app.config_store.empty()) {
    if (!services.configuration.check_store(app.config_store, app.app_id)) {
      return missing(app, "wasiConfig.configurationStore", "the configuration store", app.config_store);
    }
    settings.configuration_store = app.config_store;
  }
  for (const config::ConfigSecret& secret : app.config_secrets) {
    if (!services.secrets.has_store(secret.store) || !services.secrets.visible_to(secret.store, app.app_id)) {
      return missing(app, "wasiConfig.secrets", "the secret store", secret.store);
    }
    settings.secrets.push_back({secret.name, secret.store, secret.secret, secret.key});
  }
  return settings;
}

}  // namespace tandem::server
