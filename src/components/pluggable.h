// Components in programs of their own, behind Unix sockets, as the catalog sees them: Dapr's pluggable components.
//
// The server makes one a process (grpc/pluggable_sockets.h) and lends it to the catalog; a socket `map.sock` in the
// folder is `state.map`, `pubsub.map`, `bindings.map` or `secretstores.map`, by what the program behind it serves.
// Called on the server's thread, which may wait: each call ends within the component's init timeout. A failure names
// the socket. Source: https://docs.dapr.io/developing-applications/develop-components/pluggable-components/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "blocks/bindings/input_binding.h"
#include "blocks/bindings/output_binding.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "blocks/secrets/secret_store.h"
#include "blocks/state/state_store.h"
#include "config/component.h"

namespace tandem::components {

struct PluggableStore {
  std::unique_ptr<state::Store> store;
  std::vector<std::string> features;  // in the component's own words
};

struct PluggableBroker {
  std::unique_ptr<pubsub::Broker> broker;
  std::vector<std::string> features;
};

struct PluggableBinding {
  std::unique_ptr<bindings::InputBinding> input;    // null: not served, or not wanted
  std::unique_ptr<bindings::OutputBinding> output;  // the same
};

class Pluggable {
 public:
  virtual ~Pluggable() = default;

  // Where sockets are looked for, for messages.
  virtual const std::string& folder() const = 0;
  // Whether a program serves this type and version. Fails when there is a socket of that name that cannot be asked.
  virtual Result<bool> serves(const config::Component& component) const = 0;

  // For components that are served. Secrets in `component` were resolved before.
  virtual Result<PluggableStore> make_store(const config::Component& component) const = 0;
  // `consumer_id` is the name of the consumer group where the component does not have a `consumerID`.
  virtual Result<PluggableBroker> make_broker(const config::Component& component,
                                              const std::string& consumer_id) const = 0;
  // The parts that are served, of those that are wanted.
  enum class Parts { kInput, kOutput, kBoth };
  virtual Result<PluggableBinding> make_binding(const config::Component& component, Parts wanted) const = 0;
  virtual Result<std::unique_ptr<secrets::Store>> make_secret_store(const config::Component& component) const = 0;
};

}  // namespace tandem::components
