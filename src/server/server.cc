#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/version.h"
#include "components/grpc/pluggable_sockets.h"
#include "net/grpc/passing_service.h"
#include "net/held_sockets.h"
#include "policy/invoke_policies.h"
#include "server/app_meters.h"
#include "server/app_routes.h"
#include "server/app_runtime.h"
#include "server/hot_reload.h"
#include "server/memory_budget.h"
#include "server/metrics_door.h"
#include "server/peers.h"

namespace tandem::server {
namespace {

constexpr std::uint32_t kMaxInstances = 4000;
constexpr std::chrono::seconds kComponentClose{5};
constexpr std::chrono::seconds kCutting{5};  // a worker that does not even cut within this is stuck

std::vector<std::string> sorted(std::vector<std::string> folders) {
  std::ranges::sort(folders);
  return folders;
}

// Where a client on this machine finds a port that listens on `address`.
std::string authority(const std::string& address, std::uint16_t port) {
  if (address == "0.0.0.0" || address == "::") return fmt::format("127.0.0.1:{}", port);
  return fmt::format(fmt::runtime(address.contains(':') ? "[{}]:{}" : "{}:{}"), address, port);
}

// The Dapr Configuration of the process. One process has one: apps that name different files are refused.
Result<config::Configuration> load_configuration(const std::vector<config::AppSpec>& apps,
                                                 config::Diagnostics& diagnostics) {
  std::vector<std::string> paths;
  for (const config::AppSpec& app : apps) {
    if (app.config_file_path.empty()) continue;
    std::vector<std::string> own = {app.config_file_path};
    own.insert(own.end(), app.more_config_files.begin(), app.more_config_files.end());
    if (!paths.empty() && paths != own) {
      return fail(Code::kUnimplemented,
                  fmt::format("apps with different configuration files are not supported yet: {} and {}", paths.front(),
                              app.config_file_path));
    }
    paths = std::move(own);
  }
  if (paths.empty()) return config::Configuration{};
  return config::load_configurations(paths, diagnostics).value_or(config::Configuration{});
}

}  // namespace

class Server::Impl final {
 public:
  Impl(ProcessOptions options, const Logger& log, Requests requests)
      : options_(std::move(options)), log_(log), requests_(std::move(requests)) {}
  ~Impl();

  Status start();
  void hold_stop(std::chrono::nanoseconds time);
  void stop_accepting() {
    replaced_ = true;
    if (hot_reload_) hot_reload_->ask_to_stop();
    for (const auto& app : apps_) app->stop_accepting();
    peers_->stop_accepting();
    if (metrics_server_) metrics_server_->stop_accepting();
  }
  bool stop();

  void announce() const;
  std::vector<AppAddress> addresses() const;
  std::uint16_t metrics_port() const { return metrics_server_ ? metrics_server_->port() : 0; }

 private:
  void warn_of_idle_keys() const;
  Status load_resources();
  Status watch_resources();
  void take_over(const std::set<std::string>& changed);
  void reload_resources();
  void guard_invocations();
  Status serve_urls();
  void stop_events();
  Status listen();
  Status attach_apps();
  Result<std::vector<std::unique_ptr<engine::Module>>> load_guests(const std::vector<config::AppSpec>& guests);
  Status open();
  ResourceGroup& group_of(const config::AppSpec& app);
  const std::string& metrics_address() const {
    return options_.metrics_listen_address.empty() ? options_.dapr_listen_address : options_.metrics_listen_address;
  }

  const ProcessOptions options_;
  const Logger& log_;
  const Requests requests_;

  // In the order in which they are made; each may refer to those above it.
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::vector<std::unique_ptr<AppMeters>> meters_;
  std::unique_ptr<telemetry::Sampler> sampler_;
  config::Configuration configuration_;
  config::ApiAccess http_access_;
  config::ApiAccess grpc_access_;
  std::unique_ptr<net::Workers> workers_;
  std::unique_ptr<components::Catalog> catalog_;
  std::unique_ptr<components::grpc::PluggableSockets> pluggable_;
  std::vector<std::unique_ptr<ResourceGroup>> groups_;
  std::unique_ptr<policy::InvokePolicies> invoke_policies_;  // none: no app has any
  invoke::InvokeService invoke_{options_.name_space.empty() ? "default" : options_.name_space};
  AppRoutes routes_{invoke_};
  // What guests may reach by full URLs, by app id.
  std::map<std::string, config::OutboundHosts, std::less<>> grants_;
  std::unique_ptr<components::HttpEndpoint> urls_;
  std::unique_ptr<engine::Runtime> runtime_;
  std::vector<std::unique_ptr<app::PollGate>> gates_;
  std::vector<std::unique_ptr<net::HttpClient>> clients_;
  std::vector<std::unique_ptr<net::grpc::PassingService>> passing_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<ProcessParts> parts_;
  std::vector<std::unique_ptr<AppRuntime>> apps_;
  std::unique_ptr<MetricsDoor> metrics_door_;
  std::unique_ptr<net::HttpServer> metrics_server_;
  std::unique_ptr<HotReload> hot_reload_;  // none: it is switched off
  bool serve_metrics_ = false;
  bool stopped_ = false;
  bool replaced_ = false;
};

Server::Impl::~Impl() {
  stop();
  hot_reload_.reset();
  if (workers_) workers_->stop();
  metrics_server_.reset();
  peers_.reset();
  apps_.clear();
  clients_.clear();
  urls_.reset();
  groups_.clear();
  // The engine's threads post to the workers until it is gone.
  runtime_.reset();
}

Status Server::Impl::start() {
  const std::size_t count = options_.workers > 0 ? options_.workers : std::max(1u, std::thread::hardware_concurrency());
  workers_ = std::make_unique<net::Workers>(count);
  if (options_.held_sockets != nullptr) options_.held_sockets->attach(*workers_);
  for (std::size_t i = 0; i < count; ++i) {
    gates_.push_back(std::make_unique<app::PollGate>());
    clients_.push_back(std::make_unique<net::HttpClient>((*workers_)[i]));
  }
  for (Status (Impl::*step)() :
       {&Impl::load_resources, &Impl::serve_urls, &Impl::listen, &Impl::attach_apps, &Impl::open}) {
    if (Status status = (this->*step)(); !status) return status;
  }
  return {};
}

void Server::Impl::warn_of_idle_keys() const {
  for (const config::AppSpec& app : options_.apps) {
    const Logger log = log_.for_app(app.app_id);
    const auto warn = [&](std::string_view key) {
      log.warn("tandem.config", fmt::format("{} is accepted and has no effect in this version", key));
    };
    if (!app.app_log_destination.empty()) warn("appLogDestination");
    if (!app.is_outside() && app.app_channel_address != config::AppSpec{}.app_channel_address) {
      warn("appChannelAddress");
    }
  }
}

Status Server::Impl::load_resources() {
  warn_of_idle_keys();
  config::Diagnostics diagnostics;
  auto configuration = load_configuration(options_.apps, diagnostics);
  if (!configuration) return fail(std::move(configuration.error()));
  configuration_ = *configuration;
  sampler_ = std::make_unique<telemetry::Sampler>(configuration->tracing.sampling_rate);
  http_access_ = config::ApiAccess(*configuration);
  grpc_access_ = config::ApiAccess(*configuration, "grpc");
  const config::MetricOptions& wanted = configuration->metrics;
  metrics_ =
      std::make_unique<telemetry::Metrics>(telemetry::MetricsOptions{.latency_buckets_ms = wanted.latency_buckets_ms,
                                                                     .http_paths = wanted.http_paths,
                                                                     .http_methods = !wanted.http_methods_excluded});
  serve_metrics_ = options_.metrics_port.has_value() && wanted.enabled;
  auto peers = Peers::make(options_, *configuration, *workers_, invoke_, log_,
                           [this](std::string_view caller, std::string_view callee) {
                             return invoke_policies_ && invoke_policies_->names(caller, callee);
                           });
  if (Status watched = watch_resources(); !watched) return watched;
  if (peers) {
    peers_ = std::move(*peers);
    routes_.set_elsewhere([this](std::string_view app_id, std::string_view name_space, auto done) {
      peers_->remote().find_route(app_id, name_space, 0, std::move(done));
    });
  } else {
    diagnostics.error({configuration->file, configuration->name_resolution->line, 0}, peers.error().message);
  }
  auto catalog = components::Catalog::load();
  if (!catalog) return fail(std::move(catalog.error()));
  catalog_ = std::make_unique<components::Catalog>(std::move(*catalog));
  pluggable_ = std::make_unique<components::grpc::PluggableSockets>(components::grpc::PluggableSockets::Options{
      .folder = options_.components_sockets_folder, .timers = (*workers_)[0], .log = &log_});
  const components::Surroundings surroundings{
      .timers = (*workers_)[0], .log = &log_, .workers = workers_.get(), .pluggable = pluggable_.get()};
  for (const config::AppSpec& app : options_.apps) {
    const std::vector<std::string> folders = sorted(app.resources_paths);
    const bool known = std::ranges::any_of(groups_, [&](const auto& group) { return group->folders() == folders; });
    if (known) continue;
    std::vector<std::string> app_ids;
    for (const config::AppSpec& other : options_.apps) {
      if (sorted(other.resources_paths) == folders) app_ids.push_back(other.app_id);
    }
    groups_.push_back(
        std::make_unique<ResourceGroup>(folders,
                                        GroupParts{*catalog_, surroundings, configuration_, options_.name_space,
                                                   *metrics_, app_ids, options_.without_folders, invoke_},
                                        diagnostics));
  }
  guard_invocations();
  for (const config::Diagnostic& one : diagnostics.all()) {
    if (one.severity == config::Severity::kWarning) {
      log_.warn("tandem.config", fmt::format("{}:{}: {}", one.position.file, one.position.line, one.message));
    }
  }
  if (diagnostics.has_errors()) {
    return fail(Code::kInvalidArgument, diagnostics.to_string(config::Severity::kError));
  }
  return {};
}

Status Server::Impl::watch_resources() {
  // As in daprd it is on unless the Configuration's features say otherwise.
  const auto feature =
      std::ranges::find(configuration_.features, "HotReload", [](const auto& one) { return one.first; });
  const bool resources = feature == configuration_.features.end() || feature->second;
  std::set<std::string> folders;
  std::set<std::string> modules;
  for (const config::AppSpec& app : options_.apps) {
    if (options_.modules == ProcessOptions::Modules::kWatched && !app.is_outside()) modules.insert(app.module);
    if (resources) folders.insert(app.resources_paths.begin(), app.resources_paths.end());
  }
  if (folders.empty() && modules.empty()) return {};
  auto watch = HotReload::watch({folders.begin(), folders.end()}, {modules.begin(), modules.end()});
  if (!watch) {
    // A machine without watches left is no reason not to serve.
    log_.warn("tandem.reload", "what changes on the disk will not be taken over", {{"error", watch.error().message}});
    return {};
  }
  hot_reload_ = std::move(*watch);
  return {};
}

void Server::Impl::take_over(const std::set<std::string>& changed) {
  const auto is_folder = [&](const config::AppSpec& app) {
    return std::ranges::any_of(app.resources_paths,
                               [&](const std::string& folder) { return changed.contains(folder); });
  };
  if (std::ranges::any_of(options_.apps, is_folder)) reload_resources();
  if (options_.modules != ProcessOptions::Modules::kWatched) return;
  for (const auto& app : apps_) {
    if (!app->is_outside() && changed.contains(app->module_file())) app->replace_guest(*runtime_);
  }
}

void Server::Impl::reload_resources() {
  for (const auto& group : groups_) {
    if (group->folders().empty()) continue;
    const ResourceGroup::Reload reload = group->reload(log_);
    if (!reload.whole.empty()) {
      for (const std::string& what : reload.whole) {
        // daprd's words.
        log_.info("tandem.reload", fmt::format("{} has changed - triggering SIGHUP reload", what));
      }
      if (requests_.reload) requests_.reload();
      return;
    }
    if (!reload.events) continue;
    for (const auto& app : apps_) {
      if (app->reads(*group)) app->renew_events();
    }
  }
}

void Server::Impl::guard_invocations() {
  std::vector<TimedExecutor*> workers;
  for (std::size_t i = 0; i < workers_->size(); ++i) workers.push_back(&(*workers_)[i]);
  auto policies = std::make_unique<policy::InvokePolicies>(std::move(workers));
  for (const config::AppSpec& app : options_.apps) {
    if (policy::Resilience* own = group_of(app).resilience(app.app_id)) policies->add(app.app_id, *own);
  }
  if (policies->empty()) return;
  invoke_policies_ = std::move(policies);
  invoke_.set_guard(*invoke_policies_);
}

Status Server::Impl::serve_urls() {
  for (const config::AppSpec& app : options_.apps) {
    auto allowed = config::OutboundHosts::parse(app.allowed_outbound_hosts);
    if (!allowed) return fail(std::move(allowed.error()));
    grants_.insert_or_assign(app.app_id, std::move(*allowed));
  }
  components::HttpEndpointOptions options;
  options.guest_grants = [this](std::string_view app_id) {
    const auto found = grants_.find(app_id);
    return found == grants_.end() ? nullptr : &found->second;
  };
  urls_ = std::make_unique<components::HttpEndpoint>(*workers_, std::move(options));
  invoke_.serve_urls(*urls_);
  return {};
}

ResourceGroup& Server::Impl::group_of(const config::AppSpec& app) {
  const std::vector<std::string> folders = sorted(app.resources_paths);
  return **std::ranges::find_if(groups_, [&](const auto& group) { return group->folders() == folders; });
}

Status Server::Impl::listen() {
  parts_ = std::make_unique<ProcessParts>(ProcessParts{options_, log_, *workers_, gates_, clients_, invoke_, routes_,
                                                       *metrics_, meters_, *sampler_, http_access_, grpc_access_,
                                                       configuration_, requests_.stop});
  for (std::size_t i = 0; i < options_.apps.size(); ++i) {
    const config::AppSpec& spec = options_.apps[i];
    const auto wanted = [&](const std::optional<int>& named, std::uint16_t first) {
      return named ? static_cast<std::uint16_t>(*named) : i == 0 ? first : std::uint16_t{0};
    };
    const AppPorts ports{
        wanted(spec.app_port, options_.first_app_port), wanted(spec.dapr_http_port, options_.first_dapr_http_port),
        wanted(spec.dapr_grpc_port, options_.first_dapr_grpc_port), i == 0 ? options_.public_port : std::nullopt};
    auto app = AppRuntime::make(*parts_, spec, ports, group_of(spec));
    if (!app) return fail(std::move(app.error()));
    apps_.push_back(std::move(*app));
    const std::uint16_t internal = wanted(spec.dapr_internal_grpc_port, options_.first_dapr_internal_grpc_port);
    passing_.push_back(std::make_unique<net::grpc::PassingService>(spec.app_id, routes_));
    if (Status listening = peers_->listen(spec, internal, passing_.back().get()); !listening) return listening;
  }
  if (!serve_metrics_) return {};
  metrics_door_ = std::make_unique<MetricsDoor>(*metrics_);
  net::ServerOptions server;
  server.address = metrics_address();
  server.port = *options_.metrics_port;
  server.purpose = "metrics";
  server.hint = "choose another with --metrics-port, or --enable-metrics=false";
  server.max_body_bytes = 0;
  auto listening =
      net::HttpServer::listen(*workers_, server, [this](net::Worker&) -> net::Handler& { return *metrics_door_; });
  if (!listening) return fail(std::move(listening.error()));
  metrics_server_ = std::move(*listening);
  return {};
}

Status Server::Impl::attach_apps() {
  std::vector<config::AppSpec> guests;
  std::ranges::copy_if(options_.apps, std::back_inserter(guests), [](const auto& app) { return !app.is_outside(); });
  std::vector<std::unique_ptr<engine::Module>> modules;
  // Beside a program outside there is no engine.
  if (!guests.empty()) {
    auto loaded = load_guests(guests);
    if (!loaded) return fail(std::move(loaded.error()));
    modules = std::move(*loaded);
  }
  std::size_t next = 0;
  for (const auto& app : apps_) {
    Status attached = app->is_outside() ? app->attach_outside() : app->attach_guest(*runtime_, *modules[next++]);
    if (!attached) return attached;
  }
  return {};
}

Result<std::vector<std::unique_ptr<engine::Module>>> Server::Impl::load_guests(
    const std::vector<config::AppSpec>& guests) {
  engine::RuntimeOptions engine_options;
  engine_options.cache_folder = options_.cache_folder;
  std::uint64_t instances = 0;
  for (const auto& app : guests) {
    const app::GuestOptions guest = guest_options(app, {});
    // A worker may make one more while the one before is being taken down.
    instances += guest.max_instances + workers_->size();
  }
  // A module that takes another's place has its instances before those of the other one are gone.
  if (options_.modules == ProcessOptions::Modules::kWatched) instances *= 2;
  engine_options.max_instances = static_cast<std::uint32_t>(std::min<std::uint64_t>(instances, kMaxInstances));
  engine_options.max_total_memory_bytes = options_.guest_memory_bytes.value_or(default_guest_memory());
  auto runtime = engine::Runtime::make(engine_options);
  if (!runtime) return fail(std::move(runtime.error()));
  runtime_ = std::move(*runtime);
  log_.info("tandem.engine", "room for guests",
            {{"instances", std::to_string(engine_options.max_instances)},
             {"memory_mib", std::to_string(engine_options.max_total_memory_bytes >> 20)}});
  return load_modules(*runtime_, guests, log_);
}

Status Server::Impl::open() {
  for (const auto& group : groups_) {
    if (!group->uses_defaults()) continue;
    log_.info("tandem.server", "no resources are named: state store \"statestore\" and pub/sub \"pubsub\", in memory");
  }
  if (requests_.accepting) requests_.accepting();
  workers_->start();
  for (const auto& app : apps_) {
    if (Status opened = app->open(); !opened) return opened;
  }
  peers_->open();
  if (hot_reload_) {
    hot_reload_->start({.changed = [this](const auto& changed) { take_over(changed); },
                        .sweep =
                            [this] {
                              bool more = false;
                              for (const auto& group : groups_) more = group->sweep() || more;
                              return more;
                            }});
  }
  return {};
}

void Server::Impl::announce() const {
  peers_->announce();
  for (const AppAddress& one : addresses()) {
    log_.for_app(one.app_id)
        .info("tandem.server", "serving",
              {{"app_url", one.app_port == 0 ? "" : one.scheme + "://" + authority(one.address, one.app_port)},
               {"dapr_url", "http://" + authority(options_.dapr_listen_address, one.dapr_http_port)},
               {"dapr_grpc", authority(options_.dapr_listen_address, one.dapr_grpc_port)}});
  }
  for (const AppAddress& one : addresses()) {
    if (one.public_port == 0) continue;
    const std::string& address = options_.public_listen_address;
    log_.info(
        "tandem.server", "serving health and metadata in public",
        {{"url", "http://" + authority(address.empty() ? options_.dapr_listen_address : address, one.public_port)}});
  }
  if (metrics_server_) {
    log_.info("tandem.server", "serving metrics",
              {{"url", "http://" + authority(metrics_address(), metrics_port()) + "/metrics"}});
  }
}

std::vector<AppAddress> Server::Impl::addresses() const {
  std::vector<AppAddress> addresses;
  for (const auto& app : apps_) {
    const AppPorts& ports = app->ports();
    addresses.push_back({app->app_id(), app->app_scheme(), app->app_address(), ports.app, ports.dapr_http,
                         ports.dapr_grpc, ports.public_http.value_or(0), peers_->port(app->app_id())});
  }
  return addresses;
}

void Server::Impl::stop_events() {
  for (const auto& app : apps_) app->refuse_events();
  for (const auto& group : groups_) {
    group->stop_events();
    group->configuration().stop_subscriptions();
  }
}

void Server::Impl::hold_stop(std::chrono::nanoseconds time) {
  if (hot_reload_) hot_reload_->ask_to_stop();
  // daprd's words.
  const auto seconds = std::chrono::duration<double>(time).count();
  log_.info("tandem.server",
            fmt::format("Blocking graceful shutdown for {}s or until app reports unhealthy...", seconds));
  stop_events();
  const bool unhealthy = apps_.front()->wait_until_unhealthy(std::chrono::steady_clock::now() + time);
  log_.info("tandem.server", unhealthy ? "App reported unhealthy, entering shutdown..."
                                       : "Block shutdown period expired, entering shutdown...");
}

bool Server::Impl::stop() {
  if (std::exchange(stopped_, true) || !workers_) return true;
  const SteadyTime deadline = std::chrono::steady_clock::now() + options_.shutdown_limit;
  bool clean = true;
  if (!parts_ || !(*workers_)[0].running()) return true;
  log_.info("tandem.server", "stopping");
  if (hot_reload_) hot_reload_->ask_to_stop();
  // The names of one that was replaced are its successor's now.
  if (!replaced_) peers_->withdraw();
  stop_events();

  // No new connections; requests in flight finish.
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left;
    bool cut = false;
  };
  const auto waiting = std::make_shared<Waiting>();
  waiting->left = apps_.size() + 1;
  const auto one_done = [waiting](net::Drained how) {
    const std::lock_guard lock(waiting->mutex);
    waiting->cut |= how == net::Drained::kCut;
    --waiting->left;
    waiting->changed.notify_all();
  };
  for (const auto& app : apps_) app->drain(options_.shutdown_limit, one_done);
  peers_->drain(options_.shutdown_limit, one_done);
  {
    std::unique_lock lock(waiting->mutex);
    clean = waiting->changed.wait_until(lock, deadline + kCutting, [&] { return waiting->left == 0; }) && !waiting->cut;
  }
  // It may ask an app.
  for (const auto& app : apps_) app->hurry();
  if (hot_reload_) hot_reload_->stop();
  for (const auto& app : apps_) app->stop_app(deadline);
  for (const auto& app : apps_) app->close_doors();
  peers_->close();
  const SteadyTime close_by = std::max(deadline, std::chrono::steady_clock::now() + kComponentClose);
  for (const auto& group : groups_) group->close(close_by);
  if (metrics_server_) metrics_server_.reset();
  log_.info("tandem.server", clean ? "stopped" : "stopped; requests in flight were cut off");
  return clean;
}

Result<std::unique_ptr<Server>> Server::start(ProcessOptions options, const Logger& log, Requests requests) {
  auto impl = std::make_unique<Impl>(std::move(options), log, std::move(requests));
  if (Status started = impl->start(); !started) return fail(std::move(started.error()));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
void Server::announce() const { impl_->announce(); }
std::vector<AppAddress> Server::addresses() const { return impl_->addresses(); }
std::uint16_t Server::metrics_port() const { return impl_->metrics_port(); }
void Server::hold_stop(std::chrono::nanoseconds time) { impl_->hold_stop(time); }
void Server::stop_accepting() { impl_->stop_accepting(); }
bool Server::stop() { return impl_->stop(); }

}  // namespace tandem::server
