// The calling guest, as the host functions see it, and the blocks that they call for it.
//
// The app's instance object implements GuestCaller: it is what engine::Instance::make() gets as its events, and so what
// host functions find behind `user`. It outlives the engine's instance, not a late answer: what a call needs later, it
// takes along. Used on the worker that polls the instance, inside a host function of its guest.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/call_context.h"
#include "base/executor.h"
#include "blocks/bindings/binding_service.h"
#include "blocks/configuration/configuration_service.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/pubsub/pubsub_service.h"
#include "blocks/secrets/secret_service.h"
#include "blocks/state/state_service.h"
#include "engine/instance.h"

namespace tandem::host {

// The blocks that guests reach. One object a process; it outlives every instance, and so do the services.
struct HostServices {
  state::StateService& state;
  pubsub::PubsubService& pubsub;
  invoke::InvokeService& invoke;
  bindings::BindingService& bindings;
  secrets::SecretService& secrets;
  configuration::ConfigurationService& configuration;
  // Bodies of tandem:dapr/invoke, each way.
  std::size_t max_invoke_body_bytes = 4 << 20;
};

// What an app's tandem.yaml says of the standards' interfaces, which name no component.
struct GuestSettings {
  // A secret under the name by which wasi:config gives it.
  struct NamedSecret {
    std::string name;
    std::string store;
    std::string secret;
    std::string key;  // of the secret
  };

  std::string messaging_pubsub;     // where messaging sends by default; empty: the first of the app's
  std::string configuration_store;  // what wasi:config answers from too; empty: none
  std::vector<NamedSecret> secrets;

  bool has_config() const { return !configuration_store.empty() || !secrets.empty(); }
};

class GuestCaller : public engine::InstanceEvents {
 public:
  // Of the call that the guest is answering: its app id, deadline and trace.
  virtual const CallContext& context() const = 0;
  // The worker of the instance: where late answers come in. Outlives every call.
  virtual Executor& executor() = 0;
  virtual std::size_t worker_index() const = 0;
  virtual HostServices& services() = 0;
  virtual const GuestSettings& settings() const {
    static const GuestSettings kNone;
    return kNone;
  }
  // Who hears of the updates of configuration that the guest asks for: the app, on any worker, for as long as somebody
  // holds it. Null: it cannot be told.
  virtual std::shared_ptr<configuration::Listener> configuration_listener() { return nullptr; }
};

// The caller behind the `user` of a host function. Every instance of an app whose linker has the host interfaces is
// made with a GuestCaller for its events.
inline GuestCaller& caller_of(void* user) { return static_cast<GuestCaller&>(engine::Instance::events_of(user)); }

}  // namespace tandem::host
