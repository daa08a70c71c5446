// One app of the running process: the app itself, its Dapr API and its doors, wired together.
//
// Made by the server before the workers start, in this order: the Dapr API of each worker (which needs no app), the
// app (a guest calls the API), the doors (which lead to both). Taken apart in the opposite order.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/grpc/grpc_door.h"
#include "api/http/api_log.h"
#include "api/http/dapr_api.h"
#include "api/http/public_door.h"
#include "app/app.h"
#include "app/front_door.h"
#include "app/guest_app.h"
#include "net/http_server.h"
#include "policy/app_gate.h"
#include "policy/metered_endpoint.h"
#include "policy/resilient_bindings.h"
#include "server/app_configuration.h"
#include "server/app_meters.h"
#include "server/app_routes.h"
#include "server/app_watch.h"
#include "server/guest_metrics.h"
#include "server/guest_program.h"
#include "server/process_options.h"
#include "server/resource_group.h"

namespace tandem::server {

// What all apps share.
struct ProcessParts {
  const ProcessOptions& options;
  const Logger& log;
  net::Workers& workers;
  std::vector<std::unique_ptr<app::PollGate>>& gates;
  std::vector<std::unique_ptr<net::HttpClient>>& clients;
  invoke::InvokeService& invoke;
  AppRoutes& routes;
  telemetry::Metrics& metrics;
  // An exchange may report its end while the workers are taken down, so these outlive them.
  std::vector<std::unique_ptr<AppMeters>>& meters;
  const telemetry::Sampler& sampler;
  const config::ApiAccess& http_access;
  const config::ApiAccess& grpc_access;
  const config::Configuration& configuration;
  std::function<void()> request_stop;
};

class AppRuntime final : public api::http::MetadataSource, public api::http::HealthSource {
 public:
  // The ports are taken first, so that the guest's environment can name them. Fails when one is in use. The app of an
  // outside AppSpec has its own port: nothing listens there.
  static Result<std::unique_ptr<AppRuntime>> make(const ProcessParts& parts, const config::AppSpec& spec,
                                                  const AppPorts& wanted, ResourceGroup& resources);
  ~AppRuntime() override;

  const AppPorts& ports() const { return ports_; }
  const std::string& app_id() const { return spec_.app_id; }

  bool is_outside() const { return spec_.is_outside(); }
  // How the app itself is reached.
  const std::string& app_scheme() const { return spec_.app_protocol; }
  const std::string& app_address() const {
    return is_outside() ? spec_.app_channel_address : parts_.options.app_listen_address;
  }

  // Gives the doors their guest, or the app outside. Before the workers start.
  Status attach_guest(engine::Runtime& runtime, const engine::Module& module);
  Status attach_outside();
  // The guest's module has changed: the new one is loaded, takes the place of the one before and is asked for its
  // subscriptions. What is wrong is one line of the log, and the one before goes on. On the reloading thread.
  void replace_guest(engine::Runtime& runtime);
  // The process stops: what replace_guest() waits for is cut off. Any thread.
  void hurry() {
    if (guest_ != nullptr) guest_->hurry();
  }
  // The file of the guest's module; empty: the app is outside.
  const std::string& module_file() const { return spec_.module; }
  // Instances, then subscriptions: declared ones and the app's own. With the workers running. Fails when no instance
  // can be made; a subscription that cannot be started is a line in the log. An app outside is waited for after this
  // has returned, and so are the subscriptions of an app whose health is checked.
  Status open();

  // Returns when the app is not healthy, or was never there; false when the deadline came first. Not on a worker.
  bool wait_until_unhealthy(SteadyTime deadline);

  // Whether its resources are those of the group.
  bool reads(const ResourceGroup& group) const { return &resources_ == &group; }
  // The group's subscriptions or bindings have changed: those that are new start, those that are gone end, the others
  // go on. On the reloading thread, between open() and stop_app().
  void renew_events();

  // No subscription starts after this. Before those that there are are stopped.
  void refuse_events();
  // Another server has taken this one's place: new connections are for it.
  void stop_accepting() const;
  // The parts of the orderly stop, in this order.
  // `done` hears of all doors together.
  void drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) const;
  void stop_app(SteadyTime deadline);
  void close_doors();

  // api::http::MetadataSource, HealthSource
  api::http::AppMetadata describe(std::string_view app_id) const override;
  std::vector<std::string> unready(std::string_view app_id) const override;
  void check_outbound(state::Caller caller, Completion<void> done) override;

 private:
  // A worker's way in: refuses until the app is attached.
  class Door;

  AppRuntime(const ProcessParts& parts, config::AppSpec spec, ResourceGroup& resources);
  Status listen(const AppPorts& wanted);
  Status listen_for_app(std::uint16_t wanted_port);
  // The file that an API listens on, by daprd's name; empty where it listens on a port.
  std::string unix_socket(std::string_view api) const;
  Status listen_for_public(std::uint16_t wanted_port);
  Status listen_for_grpc(std::uint16_t wanted_port, std::uint64_t max_body);
  api::http::ApiOptions api_options(std::size_t worker, std::uint64_t max_body);
  // The app behind the doors: invocations and events reach it through channel_ and gate_.
  Status attach(std::unique_ptr<app::App> app);
  std::optional<HealthCheck> health_check() const;
  AppWatch::Steps watch_steps();
  // What follows when the app can take calls for the first time: its configuration, its subscriptions, its bindings.
  void connect();
  // With the mutex of events held.
  void subscribe();
  // Starts the input bindings that the app takes events of; those that are started go on.
  void read_bindings();
  // In place of those that there are.
  void subscribe_to_configuration();
  void become_ready();
  Result<std::vector<config::Subscription>> ask_for_subscriptions();
  // The app's own, for start_events(); none when it cannot be asked.
  void read_own_subscriptions();
  // Subscriptions and input bindings; those that are there already go on.
  void start_events();

  const ProcessParts& parts_;
  const config::AppSpec spec_;
  ResourceGroup& resources_;
  const Logger log_;
  AppPorts ports_;
  host::HostServices services_;
  api::http::AppLabels labels_;
  GuestMetricsObserver guest_metrics_;
  AppMeters& meters_;
  const std::unique_ptr<const api::http::ApiLog> api_log_;  // null: calls of the API are not logged
  // One a worker: the Dapr API, the door to it, the door to the app.
  std::vector<std::unique_ptr<api::http::DaprApi>> apis_;
  std::vector<std::unique_ptr<policy::MeteredHandler>> api_doors_;
  std::vector<std::unique_ptr<Door>> app_doors_;
  std::vector<std::unique_ptr<api::http::PublicDoor>> public_doors_;
  std::unique_ptr<app::App> app_;
  std::unique_ptr<policy::ResilientInputSink> input_sink_;  // none: no policies for events of bindings
  std::unique_ptr<policy::AppGate> gate_;                   // shut while the app is not healthy
  std::unique_ptr<policy::MeteredEndpoint> channel_;        // how Dapr reaches the app
  std::unique_ptr<net::HttpServer> app_server_;             // of a guest
  std::unique_ptr<net::HttpServer> dapr_server_;
  std::unique_ptr<net::HttpServer> public_server_;
  std::unique_ptr<api::grpc::GrpcDoor> grpc_door_;
  app::GuestApp* guest_ = nullptr;          // app_, where it is one
  std::atomic<bool> can_be_asked_ = false;  // by HTTP or by its handlers
  const SteadyTime made_ = std::chrono::steady_clock::now();
  std::atomic<bool> ready_{false};
  std::atomic<bool> connected_{false};
  std::atomic<bool> asked_for_subscriptions_{false};
  std::mutex events_mutex_;  // of the next three
  bool events_refused_ = false;
  std::vector<ConfigurationSubscription> configured_;  // what the app's handler has asked for
  std::vector<config::Subscription> own_;              // the app's answer
  mutable std::mutex subscribed_mutex_;
  std::vector<api::http::SubscriptionInfo> subscribed_;
  std::unique_ptr<AppWatch> watch_;  // none: a guest whose health is not checked
};

}  // namespace tandem::server
