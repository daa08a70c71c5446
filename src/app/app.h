// What the server needs of an app, wherever its code runs: a guest in this process (guest_app.h), a program beside it
// that speaks HTTP (external_app.h) or gRPC.
//
// The server makes it before the workers start and destroys it after they have stopped. As an invoke::Endpoint it gives
// one handler a worker: what Dapr, and other apps through it, ask of the app. As a pubsub::EventSink and a
// bindings::InputSink it takes events on any thread. The other functions are the server's, each with a thread and a way
// to fail of its own.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "blocks/bindings/binding_service.h"
#include "blocks/configuration/configuration_service.h"
#include "blocks/invoke/invoke_service.h"
#include "blocks/pubsub/pubsub_service.h"
#include "config/subscription.h"

namespace tandem::app {

class App : public invoke::Endpoint, public pubsub::EventSink, public bindings::InputSink {
 public:
  // Events, and Tandem's own questions below, go to the app by these handlers instead of its own, which they lead to.
  // Before the workers start; `endpoint` lives until they have stopped.
  virtual void deliver_through(invoke::Endpoint& endpoint) = 0;

  // Blocks until the app can be called: a guest's minimum of instances is made, a program outside listens on its port.
  // With the workers running, on a thread that may wait. stop() on another thread ends the wait with kCancelled. Any
  // other failure says that the app will never come.
  virtual Status warm_up() = 0;

  // Asks what the app says of itself before it is asked for its subscriptions; there is nothing to ask of most. On
  // worker 0's thread, after warm_up(); `done` runs there. A failure costs nothing.
  virtual void load_config(Completion<void> done) { done({}); }

  // The topics that the app itself asks for; an app that has no such answer asks for none. On worker 0's thread, after
  // warm_up(); `done` runs there, within a time that the app has for its answer.
  virtual void list_subscriptions(Completion<std::vector<config::Subscription>> done) = 0;

  // Which of these input bindings the app takes events of, by name; one that cannot be asked takes none, and the log
  // says so. On worker 0's thread, after warm_up(); `done` runs there, after three seconds for each at the latest.
  virtual void list_bindings(std::vector<bindings::BindingService::Input> offered,
                             Completion<std::vector<std::string>> done) = 0;

  // What the app asks to hear of, of all configuration, from its start on; there is nothing to ask of most. On worker
  // 0's thread, after warm_up(); `done` runs there.
  virtual void list_wishes(Completion<std::vector<configuration::Wish>> done) {
    done(std::vector<configuration::Wish>());
  }
  // Who takes those updates to the app; called on any worker. Null: nobody. Ended before the app goes.
  virtual std::shared_ptr<configuration::Listener> configuration_listener() { return nullptr; }

  // One probe of the app's health: success, or why it is not healthy. On worker 0's thread, after warm_up(); `done`
  // runs there, when `timeout` has passed at the latest.
  virtual void probe_health(std::chrono::milliseconds timeout, Completion<void> done) = 0;

  // Refuses new calls and returns when those under way are done, or at `deadline`; then stops what is left. Called
  // once, with the workers running, also when warm_up() has failed or has not been called.
  virtual void stop(SteadyTime deadline) = 0;
};

}  // namespace tandem::app
