#include "server/peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "components/name_resolvers.h"
#include "net/host_address.h"

namespace tandem::server {
namespace {

constexpr std::uint64_t kDefaultBody = 4ull << 20;      // daprd's --max-body-size
constexpr std::uint64_t kSmallestMessage = 1ull << 20;  // bodies come in pieces, whose length is the sender's

std::uint64_t body_limit(const config::AppSpec& app) { return app.dapr_http_max_request_size.value_or(kDefaultBody); }

}  // namespace

Result<std::unique_ptr<Peers>> Peers::make(const ProcessOptions& options, const config::Configuration& configuration,
                                           net::Workers& workers, invoke::InvokeService& invoke, const Logger& log,
                                           HasPolicies has_policies) {
  std::unique_ptr<Peers> peers(new Peers(options, workers, invoke, log));
  auto resolver = components::make_name_resolver(
      configuration.name_resolution, {.workers = workers, .log = log, .host_address = options.host_address});
  if (!resolver) return fail(std::move(resolver.error()));
  peers->resolver_ = std::move(*resolver);
  // A message from another sidecar is as long as the most generous of the apps lets it be.
  std::uint64_t longest = kDefaultBody;
  for (const config::AppSpec& app : options.apps) longest = std::max(longest, body_limit(app));
  peers->remote_ = std::make_unique<api::grpc::RemoteApps>(
      workers, *peers->resolver_,
      api::grpc::RemoteOptions{
          .name_space = invoke.name_space(),
          .host_address = options.host_address.empty() ? net::host_address() : options.host_address,
          .host_name = net::host_name(),
          .max_message_bytes = longest,
          .has_policies = std::move(has_policies)});
  invoke.set_elsewhere(*peers->remote_);
  return peers;
}

Peers::~Peers() = default;

Status Peers::listen(const config::AppSpec& app, std::uint16_t wanted_port, net::grpc::CallService* others) {
  std::vector<Executor*> workers;
  for (std::size_t i = 0; i < workers_.size(); ++i) workers.push_back(&workers_[i]);
  auto door = api::grpc::InternalDoor::listen(workers_,
                                              {.address = options_.internal_listen_address,
                                               .port = wanted_port,
                                               .purpose = fmt::format("other sidecars that call app {}", app.app_id),
                                               .hint = "choose another with --dapr-internal-grpc-port"},
                                              {.app_id = app.app_id,
                                               .invoke = invoke_,
                                               .workers = std::move(workers),
                                               .max_message_bytes = std::max(body_limit(app), kSmallestMessage)},
                                              others);
  if (!door) return fail(std::move(door.error()));
  doors_.push_back({app.app_id, std::move(*door)});
  return {};
}

std::uint16_t Peers::port(std::string_view app_id) const {
  const auto found = std::ranges::find(doors_, app_id, &Door::app_id);
  return found == doors_.end() ? std::uint16_t{0} : found->door->port();
}

void Peers::open() {
  for (const Door& one : doors_) {
    resolver_->announce({one.app_id, options_.internal_listen_address, one.door->port()});
  }
}

void Peers::announce() const {
  for (const Door& one : doors_) {
    const std::string& address = options_.internal_listen_address;
    const bool v6 = address.find(':') != std::string::npos;
    log_.for_app(one.app_id)
        .info("tandem.server", "serving other sidecars",
              {{"dapr_internal_grpc", v6 ? fmt::format("[{}]:{}", address, one.door->port())
                                         : fmt::format("{}:{}", address, one.door->port())}});
  }
}

void Peers::drain(std::chrono::milliseconds limit, std::move_only_function<void(net::Drained)> done) {
  if (doors_.empty()) return done(net::Drained::kFinished);
  // The last one to finish tells.
  struct Ports {
    std::atomic<std::size_t> left;
    std::atomic<bool> cut = false;
    std::move_only_function<void(net::Drained)> done;
  };
  auto ports = std::make_shared<Ports>();
  ports->left = doors_.size();
  ports->done = std::move(done);
  for (const Door& one : doors_) {
    one.door->drain(limit, [ports](net::Drained how) {
      if (how == net::Drained::kCut) ports->cut.store(true);
      if (ports->left.fetch_sub(1) == 1) ports->done(ports->cut.load() ? net::Drained::kCut : net::Drained::kFinished);
    });
  }
}

}  // namespace tandem::server
