// What is built in, a list a block, and what a component is made of: the catalog looks types up here.
//
// A list and the functions behind it stand in the file of their block: state_stores.cc, brokers.cc, secret_stores.cc,
// configuration_stores.cc, bindings.cc. A new component is a line there. The functions run on the thread that makes
// components and may block; they fail with what the user has to change, and never half make something.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/result.h"
#include "blocks/bindings/input_binding.h"
#include "blocks/bindings/output_binding.h"
#include "blocks/configuration/configuration_store.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "blocks/secrets/secret_store.h"
#include "blocks/state/state_store.h"
#include "components/component_schemas.h"
#include "components/surroundings.h"
#include "config/component.h"
#include "config/component_metadata.h"

namespace tandem::components {

// What a factory gets: the checked metadata and where the component will live.
struct Making {
  const config::Component& component;
  const config::MetadataReader& metadata;
  const Surroundings& surroundings;
};

// Dapr's `initTimeout`: when the server must have answered.
SteadyTime init_deadline(const Making& making);

// What a component does about things that are no reason to fail: a line in the log, with this scope, which is a
// literal.
std::function<void(const std::string&)> warner(const Making& making, std::string_view scope);

template <class Product>
struct BuiltIn {
  const EmbeddedSchema& schema;
  std::string_view type;
  Result<std::unique_ptr<Product>> (*make)(const Making&);
  // What daprd's metadata API says that a broker can do; empty: nothing.
  std::string_view capability = {};
};

using BuiltInStore = BuiltIn<state::Store>;
using BuiltInBroker = BuiltIn<pubsub::Broker>;
using BuiltInSecretStore = BuiltIn<secrets::Store>;
using BuiltInConfigurationStore = BuiltIn<configuration::Store>;

struct BuiltInBinding {
  const EmbeddedSchema& schema;
  std::string_view type;
  Result<std::unique_ptr<bindings::InputBinding>> (*input)(const Making&);    // null: it is no input binding
  Result<std::unique_ptr<bindings::OutputBinding>> (*output)(const Making&);  // null: it is no output binding
};

std::span<const BuiltInStore> built_in_stores();
std::span<const BuiltInBroker> built_in_brokers();
std::span<const BuiltInSecretStore> built_in_secret_stores();
std::span<const BuiltInConfigurationStore> built_in_configuration_stores();
std::span<const BuiltInBinding> built_in_bindings();

}  // namespace tandem::components
