#include "blocks/bindings/binding_service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/json_normal.h"
#include "blocks/late_completion.h"
#include "blocks/registry.h"

namespace tandem::bindings {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kScope = "tandem.bindings";
constexpr std::string_view kCreate = "create";

bool in_scope(const BindingEntry& entry, std::string_view app_id) {
  return entry.scopes.empty() || std::ranges::find(entry.scopes, app_id) != entry.scopes.end();
}

void close_parts(const BindingEntry& entry, SteadyTime deadline) {
  if (entry.input != nullptr) entry.input->close(deadline);
  if (entry.output != nullptr) entry.output->close(deadline);
}

Error invoke_error(std::string_view binding, std::string_view cause) {
  return {Code::kInternal, "ERR_INVOKE_OUTPUT_BINDING",
          fmt::format("error invoking output binding {}: {}", binding, cause)};
}

}  // namespace

struct BindingService::Core : std::enable_shared_from_this<Core> {
  // What is under way for one app.
  struct Reader {
    std::string app_id;
    std::string binding;
    std::string route;
    InputSink& sink;
    std::optional<Logger> log;  // the app's
    const BindingEntry* entry;  // for comparison
    // Events under way, each of which leads back into the binding.
    mutable std::atomic<std::size_t> running = 0;
  };
  struct Slot {
    std::shared_ptr<const Reader> reader;
    std::unique_ptr<InputBinding::Reading> reading;
  };

  // An answer that goes on to output bindings in turn.
  struct Round {
    std::shared_ptr<const Reader> reader;
    std::vector<std::string> to;
    std::string data;
  };

  explicit Core(Options options) : options(options) {}

  using Pinned = Registry<BindingEntry>::Pin;

  // The binding, or why the call cannot be made.
  Result<Pinned> find(std::string_view app_id, const InvokeCall& call) const {
    if (call.operation.empty()) return fail(Code::kInternal, "operation field is missing from request");
    Pinned found = entries.find(call.binding);
    if (!found || found->output == nullptr || !in_scope(*found, app_id)) {
      return fail(Code::kInternal, fmt::format("couldn't find output binding {}", call.binding));
    }
    const auto operations = found->output->operations();
    if (std::ranges::find(operations, call.operation) == operations.end()) {
      return fail(Code::kInternal, fmt::format("binding {} does not support operation {}. supported operations:{}",
                                               call.binding, call.operation, fmt::join(operations, " ")));
    }
    return found;
  }

  // Where the completion runs is the binding's matter.
  void invoke(const CallContext& context, InvokeCall call, Completion<InvokeAnswer> done) {
    const Clock::time_point started = Clock::now();
    Result<Pinned> entry = find(context.app_id, call);
    OutputBinding* const output = entry ? (*entry)->output.get() : nullptr;
    InvokeRequest request{call.operation, std::move(call.data), std::move(call.metadata)};
    Completion<InvokeAnswer> explained = [self = shared_from_this(), started, app_id = context.app_id,
                                          binding = std::move(call.binding), operation = std::move(call.operation),
                                          held = entry ? std::move(*entry) : Pinned(),
                                          done = std::move(done)](Result<InvokeAnswer> answer) mutable {
      Status status;
      if (!answer) {
        answer = std::unexpected(invoke_error(binding, answer.error().message));
        status = fail(answer.error());
      } else if (answer->failure) {
        answer->failure = invoke_error(binding, answer->failure->message);
        status = fail(*answer->failure);
      }
      if (self->options.observer != nullptr) {
        self->options.observer->invoked(app_id, binding, operation, status, Clock::now() - started);
      }
      done(std::move(answer));
    };
    if (!entry) return explained(fail(std::move(entry.error())));
    output->invoke(context, std::move(request), std::move(explained));
  }

  bool begin(const Reader& reader) {
    const std::lock_guard lock(mutex);
    if (stopped) return false;
    ++running;
    ++reader.running;
    return true;
  }
  void also_begin(const Reader& reader) {
    const std::lock_guard lock(mutex);
    ++running;
    ++reader.running;
  }
  void end(const Reader& reader) {
    const std::lock_guard lock(mutex);
    --reader.running;
    if (--running == 0) idle.notify_all();
  }
  // The reading ends when the slot goes, outside the lock; what it has begun is remembered.
  template <class Of>
  std::vector<Slot> take_slots(Of of) {
    const std::lock_guard lock(mutex);
    std::vector<Slot> taken;
    std::erase_if(slots, [&](Slot& slot) {
      if (!of(*slot.reader)) return false;
      ended_readers.push_back(slot.reader);
      taken.push_back(std::move(slot));
      return true;
    });
    std::erase_if(ended_readers, [](const auto& reader) { return reader.use_count() == 1 && reader->running == 0; });
    return taken;
  }
  bool is_used(const BindingEntry& entry) {
    const std::lock_guard lock(mutex);
    return std::ranges::any_of(ended_readers,
                               [&](const auto& reader) { return reader->entry == &entry && reader->running > 0; });
  }

  void handle(std::shared_ptr<const Reader> reader, Event event, Completion<std::string> done) {
    if (!begin(*reader)) return done(fail(Code::kCancelled, "input binding is closed"));
    AppEvent on_its_way{.binding = reader->binding,
                        .route = reader->route,
                        .data = std::move(event.data),
                        .metadata = std::move(event.metadata),
                        .trace = {}};
    if (options.sampler.enabled()) on_its_way.trace = trace_of(on_its_way.metadata);
    InputSink& sink = reader->sink;
    sink.take(std::move(on_its_way), [self = shared_from_this(), reader = std::move(reader), started = Clock::now(),
                                      done = std::move(done)](Result<AppAnswer> answer) mutable {
      self->finish(std::move(reader), Clock::now() - started, std::move(answer), std::move(done));
    });
  }

  TraceContext trace_of(const Metadata& metadata) const {
    const auto value = [&](std::string_view name) {
      const auto found = metadata.find(name);
      return found == metadata.end() ? std::string_view() : std::string_view(found->second);
    };
    return telemetry::begin_trace(value("traceparent"), value("tracestate"), options.sampler);
  }

  void finish(std::shared_ptr<const Reader> reader, Clock::duration elapsed, Result<AppAnswer> answer,
              Completion<std::string> done) {
    if (options.observer != nullptr) {
      options.observer->delivered(reader->app_id, reader->binding, answer ? Status() : fail(answer.error()), elapsed);
    }
    if (!answer) {
      if (reader->log) {
        reader->log->debug(kScope, "the app has not taken an event",
                           {{"binding", reader->binding}, {"error", answer.error().message}});
      }
      done(fail(std::move(answer.error())));
      return end(*reader);
    }
    // As in daprd: JSON goes on as JSON, and anything else as null.
    const Result<std::string_view> json = parse_json(answer->data);
    const std::string onward = json ? normal_json(*json).value_or("null") : "null";
    if (answer->order == AppAnswer::Order::kParallel) {
      for (const std::string& name : answer->to) {
        also_begin(*reader);
        send_on(reader, name, onward, [self = shared_from_this(), reader](bool) { self->end(*reader); });
      }
      done(std::move(answer->data));
      return end(*reader);
    }
    auto round = std::make_shared<const Round>(std::move(reader), std::move(answer->to), onward);
    send_in_turn(std::move(round), 0,
                 [data = std::move(answer->data), done = std::move(done)]() mutable { done(std::move(data)); });
  }

  // One output binding after the other; one that fails is the last.
  void send_in_turn(std::shared_ptr<const Round> round, std::size_t next, Task done) {
    if (next == round->to.size()) {
      done();
      return end(*round->reader);
    }
    const Round& here = *round;
    send_on(here.reader, here.to[next], here.data,
            [self = shared_from_this(), round = std::move(round), next, done = std::move(done)](bool sent) mutable {
              const std::size_t following = sent ? next + 1 : round->to.size();
              self->send_in_turn(std::move(round), following, std::move(done));
            });
  }

  void send_on(const std::shared_ptr<const Reader>& reader, const std::string& name, std::string_view data,
               std::move_only_function<void(bool)> done) {
    CallContext context;
    context.app_id = reader->app_id;
    invoke(context, {.binding = name, .operation = std::string(kCreate), .data = std::string(data), .metadata = {}},
           [reader, done = std::move(done)](const Result<InvokeAnswer>& sent) mutable {
             const bool good = sent && !sent->failure;
             if (!good && reader->log) {
               reader->log->error(
                   kScope, "an app's answer to an event could not be sent on",
                   {{"binding", reader->binding}, {"error", sent ? sent->failure->message : sent.error().message}});
             }
             done(good);
           });
  }

  const Options options;
  Registry<BindingEntry> entries;
  std::mutex mutex;  // of what follows
  std::condition_variable idle;
  std::size_t running = 0;
  bool stopped = false;
  std::vector<Slot> slots;
  std::vector<std::shared_ptr<const Reader>> ended_readers;
};

BindingService::BindingService(Options options) : core_(std::make_shared<Core>(options)) {}
BindingService::~BindingService() {
  stop_all();
  // What is under way holds the core, and a binding holds what is under way: it ends with the bindings, and finds none
  // to go on to.
  core_->entries.clear();
}

Status BindingService::add(BindingEntry entry) {
  if (entry.name.empty()) return fail(Code::kInvalidArgument, "a binding needs a name");
  std::string name = entry.name;
  if (entry.route.empty()) entry.route = name;
  if (!core_->entries.add(name, std::move(entry))) {
    return fail(Code::kAlreadyExists, fmt::format("binding {} is there already", name));
  }
  return {};
}

void BindingService::put(BindingEntry entry) {
  std::string name = entry.name;
  if (entry.route.empty()) entry.route = name;
  core_->entries.put(name, std::move(entry));
  const auto ended = core_->take_slots([&](const Core::Reader& reader) { return reader.binding == name; });
}

void BindingService::remove(std::string_view name) {
  core_->entries.remove(name);
  const auto ended = core_->take_slots([&](const Core::Reader& reader) { return reader.binding == name; });
}

bool BindingService::sweep(SteadyTime deadline) {
  for (const auto& unused : core_->entries.sweep([&](const BindingEntry& entry) { return core_->is_used(entry); })) {
    close_parts(*unused, deadline);
  }
  return core_->entries.has_retired();
}

void BindingService::invoke(Caller caller, InvokeCall call, Completion<InvokeAnswer> done) {
  InPlaceScope scope;
  core_->invoke(caller.context, std::move(call), bring_home<InvokeAnswer>(scope, caller.executor, std::move(done)));
}

std::vector<BindingService::Input> BindingService::inputs(std::string_view app_id) const {
  std::vector<Input> inputs;
  for (const auto& [name, entry] : core_->entries.all()) {
    if (entry->input != nullptr && in_scope(*entry, app_id)) inputs.push_back({name, entry->route, entry->reader});
  }
  return inputs;
}

Status BindingService::start(const std::string& app_id, const std::string& binding, InputSink& sink) {
  const Core::Pinned found = core_->entries.find(binding);
  if (!found || found->input == nullptr || !in_scope(*found, app_id)) {
    return fail(Code::kNotFound, fmt::format("couldn't find input binding {}", binding));
  }
  const auto reads = [&](const Core::Slot& slot) {
    return slot.reader->app_id == app_id && slot.reader->binding == binding;
  };
  {
    const std::lock_guard lock(core_->mutex);
    if (core_->stopped || std::ranges::any_of(core_->slots, reads)) return {};
  }
  std::optional<Logger> log;
  if (core_->options.log != nullptr) log = core_->options.log->for_app(app_id);
  const auto reader =
      std::make_shared<const Core::Reader>(app_id, binding, found->route, sink, std::move(log), &*found);
  auto reading =
      found->input->read(app_id, [weak = std::weak_ptr(core_), reader](Event event, Completion<std::string> done) {
        const auto core = weak.lock();
        if (core == nullptr) return done(fail(Code::kCancelled, "input binding is closed"));
        core->handle(reader, std::move(event), std::move(done));
      });
  if (!reading) return fail(std::move(reading.error()));
  // A reading that nobody wants any more ends outside the lock.
  const std::lock_guard lock(core_->mutex);
  const Core::Pinned now = core_->entries.find(binding);
  if (!core_->stopped && now && &*now == &*found) {
    core_->slots.push_back({reader, std::move(*reading)});
  } else {
    core_->ended_readers.push_back(reader);  // it may have begun something
  }
  return {};
}

void BindingService::stop(std::string_view app_id) {
  const auto ended = core_->take_slots([&](const Core::Reader& reader) { return reader.app_id == app_id; });
}

void BindingService::stop(std::string_view app_id, std::string_view binding) {
  const auto ended = core_->take_slots(
      [&](const Core::Reader& reader) { return reader.app_id == app_id && reader.binding == binding; });
}

void BindingService::stop_all() {
  {
    const std::lock_guard lock(core_->mutex);
    core_->stopped = true;
  }
  const auto ended = core_->take_slots([](const Core::Reader&) { return true; });
}

void BindingService::close(SteadyTime deadline) {
  stop_all();
  {
    std::unique_lock lock(core_->mutex);
    core_->idle.wait_until(lock, deadline, [&] { return core_->running == 0; });
  }
  for (const auto& [name, entry] : core_->entries.all()) close_parts(*entry, deadline);
  for (const auto& entry : core_->entries.retired()) close_parts(*entry, deadline);
}

}  // namespace tandem::bindings
