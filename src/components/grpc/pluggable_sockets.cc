#include "components/grpc/pluggable_sockets.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "components/grpc/connection.h"
#include "components/grpc/grpc_bindings.h"
#include "components/grpc/grpc_broker.h"
#include "components/grpc/grpc_secret_store.h"
#include "components/grpc/grpc_store.h"
#include "components/grpc/service_list.h"

namespace tandem::components::grpc {
namespace {

constexpr std::string_view kPackage = "dapr.proto.components.v1.";
// More files in the folder than that are not looked at.
constexpr std::size_t kMostSockets = 1000;
// Keys that are Tandem's: values go to the component encrypted already.
constexpr std::string_view kOwnKeys[] = {"primaryEncryptionKey", "secondaryEncryptionKey"};

// "map" of "state.map"; types are told apart without regard to case, names of sockets with it, as by daprd.
std::string name_in(std::string_view type) {
  const std::size_t dot = type.find('.');
  return dot == std::string_view::npos ? std::string() : to_lower(type.substr(dot + 1));
}

bool is_first_version(std::string_view version) {
  return version.empty() || equals_ignoring_case(version, "v0") || equals_ignoring_case(version, "v1");
}

// The services of Dapr's by which a component of this block is known.
std::vector<std::string_view> services_of(std::string_view block) {
  if (block == "state") return {"StateStore"};
  if (block == "pubsub") return {"PubSub"};
  if (block == "bindings") return {"InputBinding", "OutputBinding"};
  if (block == "secretstores") return {"SecretStore"};
  return {};
}

bool has_service(const std::vector<std::string>& services, std::string_view name) {
  return std::ranges::any_of(services, [&](std::string_view service) {
    return service.starts_with(kPackage) && service.substr(kPackage.size()) == name;
  });
}

// Paths of the sockets of that name, whatever comes behind its last dot, the last one first.
std::vector<std::string> sockets_named(const std::string& folder, std::string_view name) {
  std::vector<std::string> found;
  std::error_code failure;
  std::size_t seen = 0;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    if (++seen > kMostSockets) break;
    std::error_code unknown;
    if (at->path().stem() == name && at->is_socket(unknown)) found.push_back(at->path().string());
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

SteadyTime deadline_of(const config::Component& component) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::milliseconds>(component.init_timeout);
}

// What the component is initialised with: the metadata as the user wrote them.
Metadata properties_of(const config::Component& component) {
  Metadata properties;
  for (const config::MetadataItem& item : component.metadata) {
    const bool own =
        std::ranges::any_of(kOwnKeys, [&](std::string_view key) { return equals_ignoring_case(key, item.name); });
    if (!own) properties.insert_or_assign(item.name, item.value);
  }
  return properties;
}

Error at_socket(const std::string& socket, Error error) {
  error.message = fmt::format("pluggable component at {}: {}", socket, error.message);
  return error;
}

}  // namespace

Status check_sockets_folder(const std::string& folder) {
  constexpr std::string_view kRemedy = "set DAPR_COMPONENTS_SOCKETS_FOLDER to the folder that is meant";
  struct stat found = {};
  if (::lstat(folder.c_str(), &found) != 0 || (found.st_uid != 0 && found.st_uid != ::geteuid())) {
    return fail(Code::kPermissionDenied, fmt::format("{} belongs to another user: {}", folder, kRemedy));
  }
  if (!S_ISDIR(found.st_mode)) {
    return fail(Code::kPermissionDenied, fmt::format("{} is a link: {}", folder, kRemedy));
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Code::kPermissionDenied,
                fmt::format("{} can be written by other users (mode {:04o}): chmod go-w it, or {}", folder,
                            found.st_mode & 07777U, kRemedy));
  }
  return {};
}

struct PluggableSockets::Found {
  std::shared_ptr<Connection> connection;  // null: nothing serves it
  std::vector<std::string> services;
};

PluggableSockets::PluggableSockets(Options options)
    : options_([&] {
        Options filled = options;
        if (filled.folder.empty()) filled.folder = kDefaultFolder;
        return filled;
      }()),
      is_default_(options.folder.empty()) {}

Result<PluggableSockets::Found> PluggableSockets::find(const config::Component& component) const {
  const std::string name = name_in(component.type);
  const std::vector<std::string_view> wanted = services_of(component.block());
  if (name.empty() || wanted.empty() || !is_first_version(component.version)) return Found();
  const std::vector<std::string> sockets = sockets_named(options_.folder, name);
  if (!sockets.empty() && is_default_) {
    if (Status trusted = check_sockets_folder(options_.folder); !trusted) return fail(std::move(trusted.error()));
  }
  const SteadyTime deadline = deadline_of(component);
  for (const std::string& socket : sockets) {
    auto connection = Connection::open(component.name, socket);
    if (!connection) return fail(std::move(connection.error()));
    auto services = list_services((*connection)->channel(), deadline);
    if (!services) return fail(at_socket(socket, std::move(services.error())));
    const bool serves =
        std::ranges::any_of(wanted, [&](std::string_view service) { return has_service(*services, service); });
    if (serves) return Found{std::move(*connection), std::move(*services)};
  }
  return Found();
}

Result<bool> PluggableSockets::serves(const config::Component& component) const {
  Result<Found> found = find(component);
  if (!found) return fail(std::move(found.error()));
  return found->connection != nullptr;
}

Result<PluggableStore> PluggableSockets::make_store(const config::Component& component) const {
  Result<Found> found = find(component);
  if (!found) return fail(std::move(found.error()));
  if (found->connection == nullptr) return fail(Code::kNotFound, "nothing serves it any more");
  const std::string socket = found->connection->socket();
  auto store =
      GrpcStore::open(std::move(found->connection), properties_of(component), found->services, deadline_of(component));
  if (!store) return fail(at_socket(socket, std::move(store.error())));
  std::vector<std::string> features = (*store)->feature_names();
  return PluggableStore{std::move(*store), std::move(features)};
}

Result<PluggableBroker> PluggableSockets::make_broker(const config::Component& component,
                                                      const std::string& consumer_id) const {
  Result<Found> found = find(component);
  if (!found) return fail(std::move(found.error()));
  if (found->connection == nullptr) return fail(Code::kNotFound, "nothing serves it any more");
  const std::string socket = found->connection->socket();
  Metadata properties = properties_of(component);
  std::string& consumer = properties["consumerID"];
  if (trim(consumer).empty()) consumer = consumer_id;
  auto broker = GrpcBroker::open(std::move(found->connection), properties, {options_.timers, options_.log},
                                 deadline_of(component));
  if (!broker) return fail(at_socket(socket, std::move(broker.error())));
  std::vector<std::string> features = (*broker)->feature_names();
  return PluggableBroker{std::move(*broker), std::move(features)};
}

Result<PluggableBinding> PluggableSockets::make_binding(const config::Component& component, Parts wanted) const {
  Result<Found> found = find(component);
  if (!found) return fail(std::move(found.error()));
  if (found->connection == nullptr) return fail(Code::kNotFound, "nothing serves it any more");
  const std::string socket = found->connection->socket();
  const Metadata properties = properties_of(component);
  PluggableBinding binding;
  if (wanted != Parts::kOutput && has_service(found->services, "InputBinding")) {
    auto input =
        GrpcInputBinding::open(found->connection, properties, {options_.timers, options_.log}, deadline_of(component));
    if (!input) return fail(at_socket(socket, std::move(input.error())));
    binding.input = std::move(*input);
  }
  if (wanted != Parts::kInput && has_service(found->services, "OutputBinding")) {
    auto output = GrpcOutputBinding::open(found->connection, properties, deadline_of(component));
    if (!output) return fail(at_socket(socket, std::move(output.error())));
    binding.output = std::move(*output);
  }
  return binding;
}

Result<std::unique_ptr<secrets::Store>> PluggableSockets::make_secret_store(const config::Component& component) const {
  Result<Found> found = find(component);
  if (!found) return fail(std::move(found.error()));
  if (found->connection == nullptr) return fail(Code::kNotFound, "nothing serves it any more");
  const std::string socket = found->connection->socket();
  auto store = GrpcSecretStore::open(std::move(found->connection), properties_of(component), deadline_of(component));
  if (!store) return fail(at_socket(socket, std::move(store.error())));
  return std::move(*store);
}

}  // namespace tandem::components::grpc
