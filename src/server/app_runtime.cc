#include "server/app_runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include <future>
#include <utility>

#include "app/subscriptions.h"
#include "base/version.h"
#include "server/app_subscriptions.h"

namespace tandem::server {
namespace {

constexpr std::uint64_t kDefaultApiBody = 4ull << 20;      // daprd's --max-body-size
constexpr std::string_view kChannelAddress = "127.0.0.1";  // the host of what Dapr asks an app, as in daprd

// What `dapr run` tells a daprd about the app that it has started.
Metadata labels_of(const config::AppSpec& spec) {
  if (spec.module.empty()) return {};
  return {{"appCommand", spec.module}, {"cliPID", std::to_string(::getpid())}};
}

}  // namespace

class AppRuntime::Door final : public net::Handler {
 public:
  explicit Door(const telemetry::Sampler& sampler) : sampler_(sampler) {}
  void attach(net::Handler& guest) { front_ = std::make_unique<app::FrontDoor>(guest, sampler_); }
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
      services_{resources.state(), resources.pubsub(), parts.invoke},
      labels_(labels_of(spec_)),
      guest_metrics_(parts.metrics, spec_.app_id),
      meters_(*parts.meters.emplace_back(std::make_unique<AppMeters>(parts.metrics, spec_.app_id))) {}

AppRuntime::~AppRuntime() = default;

Status AppRuntime::listen(const AppPorts& wanted) {
  const std::uint64_t max_body = spec_.dapr_http_max_request_size.value_or(kDefaultApiBody);
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) {
    apis_.push_back(std::make_unique<api::http::DaprApi>(api::http::ApiOptions{
        .app_id = spec_.app_id,
        .state = resources_.state(),
        .pubsub = resources_.pubsub(),
        .invoke = parts_.invoke,
        .metadata = *this,
        .health = *this,
        .labels = labels_,
        .worker = parts_.workers[i],
        .worker_index = i,
        .max_body_bytes = max_body,
        .api_token = parts_.options.dapr_api_token,
        .allowed_origins = parts_.options.allowed_origins,
        .access = parts_.http_access,
        .sampler = parts_.sampler,
        .request_shutdown = parts_.request_stop,
    }));
    api_doors_.push_back(std::make_unique<policy::MeteredHandler>(*apis_.back(), meters_.api));
    app_doors_.push_back(std::make_unique<Door>(parts_.sampler));
  }

  net::ServerOptions app;
  app.address = parts_.options.app_listen_address;
  app.port = wanted.app;
  app.purpose = fmt::format("app {}", spec_.app_id);
  app.hint = "choose another with --app-port or appPort";
  app.observer = &meters_.app_port;
  auto app_server = net::HttpServer::listen(
      parts_.workers, app, [this](net::Worker& worker) -> net::Handler& { return *app_doors_[worker.index()]; });
  if (!app_server) return fail(std::move(app_server.error()));
  app_server_ = std::move(*app_server);

  net::ServerOptions dapr;
  dapr.address = parts_.options.dapr_listen_address;
  dapr.port = wanted.dapr_http;
  dapr.purpose = fmt::format("the Dapr HTTP API of app {}", spec_.app_id);
  dapr.hint = "choose another with --dapr-http-port or daprHTTPPort";
  dapr.body_timeout = net::time_for_body(max_body);
  auto dapr_server = net::HttpServer::listen(
      parts_.workers, dapr, [this](net::Worker& worker) -> net::Handler& { return *api_doors_[worker.index()]; });
  if (!dapr_server) return fail(std::move(dapr_server.error()));
  dapr_server_ = std::move(*dapr_server);

  if (Status listening = listen_for_grpc(wanted.dapr_grpc, max_body); !listening) return listening;
  ports_ = {app_server_->port(), dapr_server_->port(), grpc_door_->port()};
  return {};
}

Status AppRuntime::listen_for_grpc(std::uint16_t wanted_port, std::uint64_t max_body) {
  std::vector<Executor*> workers;
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) workers.push_back(&parts_.workers[i]);
  auto door = api::grpc::GrpcDoor::listen(parts_.workers[0],
                                          {.address = parts_.options.dapr_listen_address,
                                           .port = wanted_port,
                                           .purpose = fmt::format("the Dapr gRPC API of app {}", spec_.app_id),
                                           .hint = "choose another with --dapr-grpc-port or daprGRPCPort"},
                                          {.app_id = spec_.app_id,
                                           .state = resources_.state(),
                                           .pubsub = resources_.pubsub(),
                                           .invoke = parts_.invoke,
                                           .metadata = *this,
                                           .labels = labels_,
                                           .workers = std::move(workers),
                                           .max_message_bytes = max_body,
                                           .access = parts_.grpc_access,
                                           .api_token = parts_.options.dapr_api_token,
                                           .request_shutdown = parts_.request_stop});
  if (!door) return fail(std::move(door.error()));
  grpc_door_ = std::move(*door);
  return {};
}

Status AppRuntime::attach(engine::Runtime& runtime, const engine::Module& module) {
  auto allowed = config::OutboundHosts::parse(spec_.allowed_outbound_hosts);
  if (!allowed) return fail(std::move(allowed.error()));
  serves_http_ = module.kind() == engine::ModuleKind::kHttp;
  auto program = make_program(runtime, module, spec_, ports_, *allowed);
  if (!program) return fail(std::move(program.error()));
  std::vector<app::WorkerResources> workers;
  for (std::size_t i = 0; i < parts_.workers.size(); ++i) {
    workers.push_back({&parts_.workers[i], parts_.gates[i].get(), parts_.clients[i].get(), api_doors_[i].get(),
                       parts_.options.dapr_api_token});
  }
  guest_ = std::make_unique<app::GuestApp>(guest_options(spec_, ports_), std::move(*program), std::move(*allowed), log_,
                                           services_, guest_metrics_, std::move(workers));
  for (std::size_t i = 0; i < app_doors_.size(); ++i) app_doors_[i]->attach(guest_->handler(i));
  channel_ = std::make_unique<policy::MeteredEndpoint>(*guest_, parts_.workers.size(), meters_.channel);
  guest_->deliver_through(*channel_);
  return parts_.invoke.add(spec_.app_id, *channel_, fmt::format("{}:{}", kChannelAddress, ports_.app));
}

Status AppRuntime::open() {
  if (Status warm = guest_->warm_up(); !warm) {
    return fail(warm.error().code, fmt::format("app {}: {}", spec_.app_id, warm.error().message));
  }
  std::vector<config::Subscription> own;
  if (serves_http_ && !resources_.pubsub().broker_names(spec_.app_id).empty()) {
    auto answer = ask_for_subscriptions();
    if (answer) {
      own = std::move(*answer);
    } else {
      log_.warn("tandem.app", "the app's subscriptions could not be read", {{"error", answer.error().message}});
    }
  }
  subscribed_ = start_subscriptions(spec_.app_id, log_, resources_.pubsub(), *guest_,
                                    resources_.subscriptions(spec_.app_id), std::move(own));
  ready_.store(true, std::memory_order_release);
  return {};
}

Result<std::vector<config::Subscription>> AppRuntime::ask_for_subscriptions() {
  using Answer = Result<std::vector<config::Subscription>>;
  std::promise<Answer> promise;
  std::future<Answer> answer = promise.get_future();
  // On the first worker; the deadline of the call ends the wait.
  parts_.workers[0].post([&] {
    app::fetch_subscriptions(channel_->handler(0), spec_.app_id, guest_->options().request_timeout,
                             [&](Answer got) { promise.set_value(std::move(got)); });
  });
  return answer.get();
}

void AppRuntime::stop_accepting() const {
  app_server_->stop_accepting();
  dapr_server_->stop_accepting();
}

void AppRuntime::drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) const {
  // The last door to finish tells.
  struct Doors {
    std::atomic<int> left = 3;
    std::atomic<bool> cut = false;
    std::move_only_function<void(net::Drained)> done;
  };
  auto doors = std::make_shared<Doors>();
  doors->done = std::move(done);
  const auto one_done = [doors](net::Drained how) {
    if (how == net::Drained::kCut) doors->cut.store(true);
    if (doors->left.fetch_sub(1) == 1) doors->done(doors->cut.load() ? net::Drained::kCut : net::Drained::kFinished);
  };
  app_server_->drain(limit, one_done);
  dapr_server_->drain(limit, one_done);
  grpc_door_->drain(limit, [one_done](api::grpc::Drained how) {
    one_done(how == api::grpc::Drained::kCut ? net::Drained::kCut : net::Drained::kFinished);
  });
}

void AppRuntime::stop_guest(SteadyTime deadline) {
  if (guest_) guest_->stop(deadline);
}

void AppRuntime::close_doors() {
  grpc_door_.reset();
  app_server_.reset();
  dapr_server_.reset();
}

api::http::AppMetadata AppRuntime::describe(std::string_view app_id) const {
  api::http::AppMetadata metadata;
  metadata.runtime_version = kVersion;
  for (const LoadedComponent& one : resources_.components(app_id)) {
    metadata.components.push_back({one.name, one.type, one.version, one.capabilities});
  }
  metadata.enabled_features = resources_.enabled_features();
  metadata.http_endpoints = resources_.http_endpoints(app_id);
  if (ready_.load(std::memory_order_acquire)) metadata.subscriptions = subscribed_;
  metadata.connection = {.port = ports_.app,
                         .protocol = "http",
                         .channel_address = parts_.options.app_listen_address,
                         .max_concurrency = spec_.app_max_concurrency.value_or(0)};
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
