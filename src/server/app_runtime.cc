#include "server/app_runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "base/version.h"
#include "config/duration.h"
#include "server/app_bindings.h"
#include "server/app_configuration.h"
#include "server/app_subscriptions.h"
#include "server/guest_settings.h"
#include "server/outside_app.h"

namespace tandem::server {
namespace {

constexpr std::uint64_t kDefaultApiBody = 4ull << 20;  // daprd's --max-body-size
constexpr std::uint64_t kMaxPublicBody = 64 * 1024;    // a label's value
constexpr std::size_t kGoHeadSlack = 4096;             // what Go's server, and so daprd, takes above its limit
constexpr std::string_view kReload = "tandem.reload";
constexpr std::string_view kChannelAddress = "127.0.0.1";  // the host of what Dapr asks an app, as in daprd

// Asks on a worker and waits here for the answer, which whoever is asked gives in time.
template <class T, class Question>
Result<T> ask(net::Worker& worker, Question question) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answer = promise->get_future();
  worker.post([&question, promise = std::move(promise)] {
    question([promise](Result<T> got) { promise->set_value(std::move(got)); });
  });
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return fail(Code::kCancelled, "the workers stopped before there was an answer");
  }
}

// As the app says; an app that says nothing, as the Configuration says.
std::unique_ptr<const api::http::ApiLog> make_api_log(const config::AppSpec& spec, const config::Configuration& config,
                                                      const Logger& log) {
  using api::http::ApiLog;
  if (!spec.enable_api_logging.value_or(config.api_logging.value_or(false))) return nullptr;
  return std::make_unique<const ApiLog>(
      log, config.api_logging_obfuscate_urls ? ApiLog::Method::kEndpoint : ApiLog::Method::kPath,
      config.api_logging_omit_health_checks ? ApiLog::HealthChecks::kOmitted : ApiLog::HealthChecks::kLogged);
}

// What `dapr run` tells a daprd about the app that it has started.
Metadata labels_of(const config::AppSpec& spec) {
  if (spec.module.empty()) return {};
  return {{"appCommand", spec.module}, {"cliPID", std::to_string(::getpid())}};
}

// A command would run for each question.
bool can_be_asked(engine::ModuleKind kind, const host::GuestExports& exports) {
  return kind == engine::ModuleKind::kHttp || exports.any_event();
}

}  // namespace

class AppRuntime::Door final : public net::Handler {
 public:
  explicit Door(const telemetry::Sampler& sampler) : sampler_(sampler) {}
  void attach(net::Handler& app) { front_ = std::make_unique<app::FrontDoor>(app, sampler_); }
  void handle(std::unique_ptr<net::Exchange> exchange) override { front_->handle(std::move(exchange)); }

 private:
  const telemetry::Sampler& sampler_;
  std::unique_ptr<app::FrontDoor> front_;
};

Result<std::unique_ptr<AppRuntime>> AppRuntime::make(const ProcessParts& parts, const config::AppSpec& spec,
                                                     const AppPorts& wanted, ResourceGroup& resources) {
  std::unique_ptr<AppRuntime> app(new AppRuntime(parts, spec, resources));
  if (Status listening = app->listen(wanted); !listening) {
    return fail(std::move(listening.error()));
  }
  return app;
}

AppRuntime::AppRuntime(const ProcessParts& parts, config::AppSpec spec, ResourceGroup& resources)
    : parts_(parts),
      spec_(std::move(spec)),
      resources_(resources),
      log_(parts.log.for_app(spec_.app_id)),
      services_{resources.state(),    resources.pubsub(),  parts.invoke,
                resources.bindings(), resources.secrets(), resources.configuration()},
      labels_(labels_of(spec_)),
      guest_metrics_(parts.metrics, spec_.app_id),
      meters_(*parts.meters.emplace_back(std::make_unique<AppMeters>(parts.metrics, spec_.app_id))),
      api_log_(make_api_log(spec_, parts.configuration, log_)) {}

AppRuntime::~AppRuntime() = default;

api::http::ApiOptions AppRuntime::api_options(std::size_t worker, std::uint64_t max_body) {
  return {
      .app_id = spec_.app_id,
      .state = resources_.state(),
      .pubsub = resources_.pubsub(),
      .secrets = resources_.secrets(),
      .configuration = resources_.configuration(),
      .bindings = resources_.bindings(),
      .invoke = parts_.invoke,
      .metadata = *this,
      .health = *this,
      .labels = labels_,
      .worker = parts_.workers[worker],
      .worker_index = worker,
      .max_body_bytes = max_body,
      .api_token = parts_.options.dapr_api_token,
      .allowed_origins = parts_.options.allowed_origins,
      .access = parts_.http_access,
      .sampler = parts_.sampler,
      .log = api_log_.get(),
      .request_shutdown = parts_.request_stop,
  };
}

Status AppRuntime::listen(const AppPorts& wanted) {
  const std::uint64_t max_body = spec_.dapr_http_max_request_size.value_or(kDefaultApiBody);
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) {
    apis_.push_back(std::make_unique<api::http::DaprApi>(api_options(i, max_body)));
    api_doors_.push_back(std::make_unique<policy::MeteredHandler>(*apis_.back(), meters_.api));
    app_doors_.push_back(std::make_unique<Door>(parts_.sampler));
  }
  if (!is_outside()) {
    if (Status listening = listen_for_app(wanted.app); !listening) return listening;
  }

  net::ServerOptions dapr;
  dapr.address = parts_.options.dapr_listen_address;
  dapr.more_addresses = parts_.options.more_dapr_listen_addresses;
  dapr.port = wanted.dapr_http;
  dapr.unix_socket = unix_socket("http");
  dapr.purpose = fmt::format("the Dapr HTTP API of app {}", spec_.app_id);
  dapr.hint = "choose another with --dapr-http-port or daprHTTPPort";
  dapr.http2 = net::Http2::kOn;
  dapr.body_timeout = net::time_for_body(max_body);
  if (spec_.dapr_http_read_buffer_size) dapr.max_head_bytes = *spec_.dapr_http_read_buffer_size + kGoHeadSlack;
  auto dapr_server = net::HttpServer::listen(
      parts_.workers, dapr, [this](net::Worker& worker) -> net::Handler& { return *api_doors_[worker.index()]; });
  if (!dapr_server) return fail(std::move(dapr_server.error()));
  dapr_server_ = std::move(*dapr_server);

  if (wanted.public_http) {
    if (Status listening = listen_for_public(*wanted.public_http); !listening) return listening;
  }
  if (Status listening = listen_for_grpc(wanted.dapr_grpc, max_body); !listening) return listening;
  ports_ = {app_server_ ? app_server_->port() : static_cast<std::uint16_t>(spec_.app_port.value_or(0)),
            dapr_server_->port(),
            grpc_door_->port(),
            {}};
  if (public_server_) ports_.public_http = public_server_->port();
  return {};
}

std::string AppRuntime::unix_socket(std::string_view api) const {
  const std::string& folder = parts_.options.unix_socket_folder;
  return folder.empty() ? std::string() : fmt::format("{}/dapr-{}-{}.socket", folder, spec_.app_id, api);
}

Status AppRuntime::listen_for_app(std::uint16_t wanted_port) {
  net::ServerOptions app;
  app.address = parts_.options.app_listen_address;
  app.port = wanted_port;
  app.purpose = fmt::format("app {}", spec_.app_id);
  app.hint = "choose another with --app-port or appPort";
  app.http2 = net::Http2::kOn;
  app.observer = &meters_.app_port;
  auto app_server = net::HttpServer::listen(
      parts_.workers, app, [this](net::Worker& worker) -> net::Handler& { return *app_doors_[worker.index()]; });
  if (!app_server) return fail(std::move(app_server.error()));
  app_server_ = std::move(*app_server);
  return {};
}

Status AppRuntime::listen_for_public(std::uint16_t wanted_port) {
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) {
    public_doors_.push_back(std::make_unique<api::http::PublicDoor>(api_options(i, kMaxPublicBody)));
  }
  net::ServerOptions server;
  const std::string& address = parts_.options.public_listen_address;
  server.address = address.empty() ? parts_.options.dapr_listen_address : address;
  server.port = wanted_port;
  server.purpose = fmt::format("public health and metadata of app {}", spec_.app_id);
  server.hint = "choose another with --dapr-public-port";
  server.max_body_bytes = kMaxPublicBody;
  auto listening = net::HttpServer::listen(
      parts_.workers, server, [this](net::Worker& worker) -> net::Handler& { return *public_doors_[worker.index()]; });
  if (!listening) return fail(std::move(listening.error()));
  public_server_ = std::move(*listening);
  return {};
}

Status AppRuntime::listen_for_grpc(std::uint16_t wanted_port, std::uint64_t max_body) {
  std::vector<Executor*> workers;
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) workers.push_back(&parts_.workers[i]);
  auto door = api::grpc::GrpcDoor::listen(parts_.workers,
                                          {.address = parts_.options.dapr_listen_address,
                                           .more_addresses = parts_.options.more_dapr_listen_addresses,
                                           .port = wanted_port,
                                           .unix_socket = unix_socket("grpc"),
                                           .purpose = fmt::format("the Dapr gRPC API of app {}", spec_.app_id),
                                           .hint = "choose another with --dapr-grpc-port or daprGRPCPort"},
                                          {.app_id = spec_.app_id,
                                           .state = resources_.state(),
                                           .pubsub = resources_.pubsub(),
                                           .secrets = resources_.secrets(),
                                           .configuration = resources_.configuration(),
                                           .bindings = resources_.bindings(),
                                           .invoke = parts_.invoke,
                                           .routes = &parts_.routes,
                                           .metadata = *this,
                                           .labels = labels_,
                                           .workers = std::move(workers),
                                           .max_message_bytes = max_body,
                                           .access = parts_.grpc_access,
                                           .api_token = parts_.options.dapr_api_token,
                                           .sampler = parts_.sampler,
                                           .log = api_log_ ? &log_ : nullptr,
                                           .request_shutdown = parts_.request_stop});
  if (!door) return fail(std::move(door.error()));
  grpc_door_ = std::move(*door);
  return {};
}

Status AppRuntime::attach_guest(engine::Runtime& runtime, const engine::Module& module) {
  auto allowed = config::OutboundHosts::parse(spec_.allowed_outbound_hosts);
  if (!allowed) return fail(std::move(allowed.error()));
  app::GuestOptions options = guest_options(spec_, ports_);
  auto settings = guest_settings(spec_, services_);
  if (!settings) return fail(std::move(settings.error()));
  options.settings = std::move(*settings);
  options.exports = host::exports_of(module.kind(), module.names());
  can_be_asked_ = can_be_asked(module.kind(), options.exports);
  auto program = make_program(runtime, module, spec_, ports_, *allowed);
  if (!program) return fail(std::move(program.error()));
  std::vector<app::WorkerResources> workers;
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) {
    workers.push_back({&parts_.workers[i], parts_.gates[i].get(), parts_.clients[i].get(), api_doors_[i].get(),
                       parts_.options.dapr_api_token});
  }
  auto guest = std::make_unique<app::GuestApp>(std::move(options), std::move(*program), std::move(*allowed), log_,
                                               services_, guest_metrics_, std::move(workers));
  guest_ = guest.get();
  return attach(std::move(guest));
}

void AppRuntime::replace_guest(engine::Runtime& runtime) {
  const auto failed = [&](const Error& error) {
    log_.error(kReload, "the changed module cannot be used: the one before goes on", {{"error", error.message}});
  };
  log_.info(kReload, "the module has changed", {{"module", spec_.module}});
  auto modules = load_modules(runtime, {spec_}, log_);
  if (!modules) return failed(modules.error());
  const engine::Module& module = *modules->front();
  const auto allowed = config::OutboundHosts::parse(spec_.allowed_outbound_hosts);
  if (!allowed) return failed(allowed.error());
  auto program = make_program(runtime, module, spec_, ports_, *allowed);
  if (!program) return failed(program.error());
  const app::GuestOptions& options = guest_->options();
  const host::GuestExports exports = host::exports_of(module.kind(), module.names());
  if (Status replaced = guest_->replace(std::move(*program), options.request_timeout, exports); !replaced) {
    return failed(make_error(replaced.error().code, fmt::format("app {}: {}", spec_.app_id, replaced.error().message)));
  }
  can_be_asked_ = can_be_asked(module.kind(), exports);
  log_.info(kReload, "Module updated", {{"module", spec_.module}});
  if (!connected_.load(std::memory_order_acquire)) return;
  read_own_subscriptions();
  start_events();
}

Status AppRuntime::attach_outside() {
  can_be_asked_ = true;
  auto app = make_outside_app(spec_, parts_.options, log_, parts_.workers, parts_.routes);
  if (!app) return fail(std::move(app.error()));
  return attach(std::move(*app));
}

Status AppRuntime::attach(std::unique_ptr<app::App> app) {
  app_ = std::move(app);
  if (resources_.resilience(spec_.app_id) != nullptr) {
    input_sink_ = std::make_unique<policy::ResilientInputSink>(*app_, spec_.app_id, resources_.input_protections());
  }
  for (std::size_t i = 0; i < app_doors_.size(); ++i) app_doors_[i]->attach(app_->handler(i));
  const auto check = health_check();
  gate_ = std::make_unique<policy::AppGate>(*app_, *app_, parts_.workers.size(),
                                            check ? policy::AppGate::State::kClosed : policy::AppGate::State::kOpen);
  channel_ = std::make_unique<policy::MeteredEndpoint>(*gate_, parts_.workers.size(), meters_.channel);
  app_->deliver_through(*channel_);
  parts_.routes.set_health(spec_.app_id, [this] { return gate_->is_open(); });
  if (is_outside() || check) watch_ = std::make_unique<AppWatch>(log_, check, watch_steps());
  const std::string_view host = is_outside() ? std::string_view(spec_.app_channel_address) : kChannelAddress;
  // An app that speaks gRPC is given the method itself.
  const bool grpc = is_outside() && spec_.app_protocol.starts_with("grpc");
  return parts_.invoke.add(spec_.app_id, *channel_, fmt::format("{}:{}", host, ports_.app),
                           grpc ? invoke::MethodIn::kEscaped : invoke::MethodIn::kPath);
}

std::optional<HealthCheck> AppRuntime::health_check() const {
  // Without a port there is nothing to ask.
  if (!spec_.enable_app_health_check || ports_.app == 0) return std::nullopt;
  return HealthCheck{spec_.app_health_probe_interval, spec_.app_health_probe_timeout, spec_.app_health_threshold};
}

AppWatch::Steps AppRuntime::watch_steps() {
  return {.reach = [this] { return is_outside() ? app_->warm_up() : Status{}; },
          .reached = [this] { become_ready(); },
          .probe =
              [this] {
                const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(spec_.app_health_probe_timeout);
                return ask<void>(parts_.workers[0],
                                 [&](Completion<void> done) { app_->probe_health(timeout, std::move(done)); });
              },
          .told =
              [this](bool healthy) {
                if (!healthy) {
                  // As in daprd, what an input binding has meanwhile is lost, or waits where it comes from.
                  resources_.bindings().stop(spec_.app_id);
                  return gate_->close();
                }
                gate_->open();
                if (!connected_.load(std::memory_order_acquire)) return connect();
                read_bindings();
              }};
}

Status AppRuntime::open() {
  if (is_outside()) {
    watch_->start();
    return {};
  }
  if (Status warm = app_->warm_up(); !warm) {
    return fail(warm.error().code, fmt::format("app {}: {}", spec_.app_id, warm.error().message));
  }
  if (watch_) {
    become_ready();
    watch_->start();
  } else {
    connect();
    become_ready();
  }
  return {};
}

void AppRuntime::connect() {
  if (is_outside() && spec_.ask_for_config) {
    const Status loaded =
        ask<void>(parts_.workers[0], [&](Completion<void> done) { app_->load_config(std::move(done)); });
    if (!loaded)
      log_.debug("tandem.app", "the app's configuration could not be read", {{"error", loaded.error().message}});
  }
  read_own_subscriptions();
  connected_.store(true, std::memory_order_release);
  start_events();
}

void AppRuntime::subscribe() {
  if (!events_refused_) resources_.outbox().start(spec_.app_id);
  // As in daprd, an app that cannot be called gets nothing.
  if (ports_.app == 0 || events_refused_) return;
  auto subscribed = start_subscriptions(spec_.app_id, log_, resources_.pubsub(), *gate_,
                                        resources_.subscriptions(spec_.app_id), own_);
  const std::lock_guard lock(subscribed_mutex_);
  subscribed_ = std::move(subscribed);
}

void AppRuntime::renew_events() {
  // It subscribes when it is there.
  if (!connected_.load(std::memory_order_acquire)) return;
  // An app that had no pub/sub was not asked.
  if (!asked_for_subscriptions_) read_own_subscriptions();
  start_events();
}

void AppRuntime::read_own_subscriptions() {
  std::vector<config::Subscription> own;
  if (can_be_asked_ && spec_.ask_for_subscriptions && !resources_.pubsub().broker_names(spec_.app_id).empty()) {
    auto answer = ask_for_subscriptions();
    if (answer) {
      own = std::move(*answer);
    } else {
      log_.warn("tandem.app", "the app's subscriptions could not be read", {{"error", answer.error().message}});
    }
  }
  const std::lock_guard lock(events_mutex_);
  own_ = std::move(own);
}

void AppRuntime::start_events() {
  {
    const std::lock_guard lock(events_mutex_);
    subscribe();
  }
  if (gate_->is_open()) read_bindings();
  subscribe_to_configuration();
}

void AppRuntime::subscribe_to_configuration() {
  const auto listener = app_->configuration_listener();
  if (listener == nullptr) return;
  using Wishes = std::vector<configuration::Wish>;
  const Result<Wishes> wishes =
      ask<Wishes>(parts_.workers[0], [&](Completion<Wishes> done) { app_->list_wishes(std::move(done)); });
  if (!wishes) {
    log_.warn("tandem.configuration", "the app's subscriptions to configuration could not be read",
              {{"error", wishes.error().message}});
    return;
  }
  {
    const std::lock_guard lock(events_mutex_);
    if (events_refused_) return;
  }
  // The service refuses when it has been stopped meanwhile. What was asked for before ends after the new is there: an
  // update may come twice, and none is lost.
  configuration::ConfigurationService& service = resources_.configuration();
  auto started = start_configuration(spec_.app_id, log_, service, parts_.workers[0], listener, *wishes);
  {
    const std::lock_guard lock(events_mutex_);
    std::swap(started, configured_);
  }
  end_configuration(spec_.app_id, service, parts_.workers[0], std::move(started));
}

void AppRuntime::read_bindings() {
  if (ports_.app == 0) return;
  AskForBindings may_ask;
  if (can_be_asked_) {
    may_ask = [this](std::vector<bindings::BindingService::Input> offered) {
      using Names = std::vector<std::string>;
      return ask<Names>(parts_.workers[0],
                        [&](Completion<Names> done) { app_->list_bindings(std::move(offered), std::move(done)); })
          .value_or(Names());
    };
  }
  const std::vector<std::string> wanted = wanted_inputs(spec_.app_id, log_, resources_.bindings(), may_ask);
  const std::lock_guard lock(events_mutex_);
  if (events_refused_) return;
  for (const auto& input : resources_.bindings().inputs(spec_.app_id)) {
    if (std::ranges::find(wanted, input.name) == wanted.end()) resources_.bindings().stop(spec_.app_id, input.name);
  }
  bindings::InputSink& sink = input_sink_ ? static_cast<bindings::InputSink&>(*input_sink_) : *app_;
  start_inputs(spec_.app_id, log_, resources_.bindings(), sink, wanted);
}

void AppRuntime::refuse_events() {
  const std::lock_guard lock(events_mutex_);
  events_refused_ = true;
}

void AppRuntime::become_ready() {
  ready_.store(true, std::memory_order_release);
  if (!is_outside()) return;
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - made_);
  // daprd's line, which tools wait for.
  log_.info("tandem.server", fmt::format("dapr initialized. Status: Running. Init Elapsed {}ms", elapsed.count()));
}

bool AppRuntime::wait_until_unhealthy(SteadyTime deadline) {
  if (watch_) return watch_->wait_until_unhealthy(deadline);
  std::this_thread::sleep_until(deadline);
  return false;
}

Result<std::vector<config::Subscription>> AppRuntime::ask_for_subscriptions() {
  using List = std::vector<config::Subscription>;
  asked_for_subscriptions_ = true;
  return ask<List>(parts_.workers[0], [&](Completion<List> done) { app_->list_subscriptions(std::move(done)); });
}

void AppRuntime::stop_accepting() const {
  for (net::HttpServer* server : {app_server_.get(), dapr_server_.get(), public_server_.get()}) {
    if (server != nullptr) server->stop_accepting();
  }
  grpc_door_->stop_accepting();
}

void AppRuntime::drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) const {
  // The last door to finish tells.
  struct Doors {
    std::atomic<int> left = 1;
    std::atomic<bool> cut = false;
    std::move_only_function<void(net::Drained)> done;
  };
  auto doors = std::make_shared<Doors>();
  doors->done = std::move(done);
  const auto one_done = [doors](net::Drained how) {
    if (how == net::Drained::kCut) doors->cut.store(true);
    if (doors->left.fetch_sub(1) == 1) doors->done(doors->cut.load() ? net::Drained::kCut : net::Drained::kFinished);
  };
  for (net::HttpServer* server : {app_server_.get(), dapr_server_.get(), public_server_.get()}) {
    if (server == nullptr) continue;
    doors->left.fetch_add(1);
    server->drain(limit, one_done);
  }
  grpc_door_->drain(limit, one_done);
}

void AppRuntime::stop_app(SteadyTime deadline) {
  if (!app_) return;
  if (watch_) watch_->ask_to_stop();
  gate_->shut();
  app_->stop(deadline);
  if (watch_) watch_->stop();
}

void AppRuntime::close_doors() {
  grpc_door_.reset();
  app_server_.reset();
  dapr_server_.reset();
  public_server_.reset();
}

api::http::AppMetadata AppRuntime::describe(std::string_view app_id) const {
  api::http::AppMetadata metadata;
  metadata.runtime_version = kDaprVersion;
  for (const LoadedComponent& one : resources_.components(app_id)) {
    metadata.components.push_back({one.name, one.type, one.version, one.capabilities});
  }
  metadata.enabled_features = resources_.enabled_features();
  metadata.http_endpoints = resources_.http_endpoints(app_id);
  metadata.resiliencies = resources_.resiliencies(app_id);
  {
    const std::lock_guard lock(subscribed_mutex_);
    metadata.subscriptions = subscribed_;
  }
  for (api::http::SubscriptionInfo& stream : open_streams(app_id, resources_.pubsub())) {
    metadata.subscriptions.push_back(std::move(stream));
  }
  metadata.connection = {.port = ports_.app,
                         .protocol = app_scheme(),
                         .channel_address = app_address(),
                         .max_concurrency = spec_.app_max_concurrency.value_or(0)};
  if (health_check()) {
    metadata.connection.health =
        sidecar::AppHealth{.path = app_scheme().starts_with("grpc") ? "" : spec_.app_health_check_path,
                           .interval = config::format_duration(spec_.app_health_probe_interval),
                           .timeout = config::format_duration(spec_.app_health_probe_timeout),
                           .threshold = spec_.app_health_threshold};
  }
  return metadata;
}

std::vector<std::string> AppRuntime::unready(std::string_view) const {
  if (ready_.load(std::memory_order_acquire)) return {};
  return {"runtime"};  // daprd's word for it
}

// As daprd means it: the components were made, which they are before the doors open. What becomes of them later is not
// a part of it.
void AppRuntime::check_outbound(state::Caller, Completion<void> done) { done({}); }

}  // namespace tandem::server
