// The bindings building block: invoking an output binding once for all doors, and events of input bindings on their way
// to apps.
//
// One object a process; invoke() is any thread's, also while bindings come and go (blocks/registry.h), the rest belongs
// to threads that may wait. Source: https://docs.dapr.io/reference/api/bindings_api/ and the answers of daprd 1.18.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "blocks/bindings/input_binding.h"
#include "blocks/bindings/output_binding.h"
#include "blocks/state/state_service.h"
#include "telemetry/trace_context.h"

namespace tandem::bindings {

using state::Caller;

// A component that may be both, or neither: its `direction` can leave a part out.
struct BindingEntry {
  // kAsk: an app that wants the events says so itself (InputSink). kNamed: the component's `direction` says input.
  enum class Reader { kAsk, kNamed };

  std::string name;
  std::unique_ptr<OutputBinding> output;  // null: it is none
  std::unique_ptr<InputBinding> input;    // null: it is none
  std::string route;                      // the path that events take in an app over HTTP; empty: the name
  Reader reader = Reader::kAsk;
  std::vector<std::string> scopes;  // app ids that may use the component; empty: all
};

// What a door passes on.
struct InvokeCall {
  std::string binding;
  std::string operation;
  std::string data;
  Metadata metadata;
};

// One event on its way to an app.
struct AppEvent {
  std::string binding;
  std::string route;  // as BindingEntry has it, never empty
  std::string data;
  Metadata metadata;
  TraceContext trace;
};

// What an app makes of an event. Over HTTP that is data alone: as in daprd 1.18, `to` and `state` in the body of such
// an answer are not read.
struct AppAnswer {
  enum class Order { kSequential, kParallel };

  std::string data;
  std::vector<std::string> to;  // output bindings that get `data` next, by their operation "create"
  Order order = Order::kSequential;
};

// The app's side of an event: app/ implements it. Called on the binding's thread; a failure says that the app has not
// taken the event.
class InputSink {
 public:
  virtual ~InputSink() = default;
  virtual void take(AppEvent event, Completion<AppAnswer> done) = 0;
};

// Hears of every call and of every event once it is over. Any thread; lives as long as the service.
class BindingObserver {
 public:
  using Elapsed = std::chrono::steady_clock::duration;

  virtual ~BindingObserver() = default;
  virtual void invoked(std::string_view app_id, std::string_view binding, std::string_view operation,
                       const Status& status, Elapsed elapsed) noexcept = 0;
  virtual void delivered(std::string_view app_id, std::string_view binding, const Status& status,
                         Elapsed elapsed) noexcept = 0;
};

class BindingService final {
 public:
  struct Options {
    const Logger* log = nullptr;  // outlives the service; hears of events that an app does not take
    BindingObserver* observer = nullptr;
    telemetry::Sampler sampler{0};  // of events, each of which begins a trace unless it brings one
  };

  explicit BindingService(Options options);
  BindingService(const BindingService&) = delete;
  BindingService& operator=(const BindingService&) = delete;
  ~BindingService();

  Status add(BindingEntry entry);
  // As StateService's. Reading ends with the binding that it was begun on: start() it again.
  void put(BindingEntry entry);
  void remove(std::string_view name);
  bool sweep(SteadyTime deadline);

  // Fails with ERR_INVOKE_OUTPUT_BINDING, kInternal, and Dapr 1.18's messages: no such binding in the app's scope, no
  // operation, one that the binding does not have, or what the binding says. A failure that comes with metadata is in
  // the answer.
  void invoke(Caller caller, InvokeCall call, Completion<InvokeAnswer> done);

  // The input bindings in the scope of an app, in the order of their names.
  struct Input {
    std::string name;
    std::string route;
    BindingEntry::Reader reader;
  };
  std::vector<Input> inputs(std::string_view app_id) const;

  // Starts reading for an app; `sink` outlives the service's close(). Nothing happens when it reads already.
  Status start(const std::string& app_id, const std::string& binding, InputSink& sink);
  // No new events for the app, until start(); those under way finish.
  void stop(std::string_view app_id);
  void stop(std::string_view app_id, std::string_view binding);
  // The same for every app, for good.
  void stop_all();

  // stop_all(), waits for events under way, then closes the bindings.
  void close(SteadyTime deadline);

 private:
  struct Core;
  const std::shared_ptr<Core> core_;
};

}  // namespace tandem::bindings
