#include "engine/instance.h"

#include <mutex>

namespace tandem::engine {

// Lives until the instance and all of the engine's copies are gone. Fires from any thread, also when the instance is
// gone: then it reaches nobody, and the worker may be gone too.
struct Instance::Waker {
  InstanceEvents* target;  // touched on the worker only
  Executor* worker;        // guarded by `mutex`
  std::mutex mutex = {};

  void detach() {
    target = nullptr;
    const std::lock_guard lock(mutex);
    worker = nullptr;
  }
};

namespace {

InstanceEvents& at(void* user) { return Instance::events_of(user); }
Fields fields(const tdm_header* headers, size_t count) { return {headers, count}; }

const tdm_instance_events kEvents = {
    .wake = nullptr,  // set below, where Waker is known
    .release_waker = nullptr,
    .log = [](void* user, int stream, tdm_str line) { at(user).on_log(static_cast<LogStream>(stream), view(line)); },
    .answer =
        [](void* user, void*, uint16_t status, const tdm_header* headers, size_t count, tdm_str body, bool whole) {
          at(user).on_answer(status, fields(headers, count), view(body),
                             whole ? AnswerPart::kWhole : AnswerPart::kFirst);
        },
    .answer_error = [](void* user, void*, tdm_str error) { at(user).on_answer_error(view(error)); },
    .answer_body = [](void* user, void*, tdm_str piece) { at(user).on_answer_body(view(piece)); },
    .answer_end = [](void* user, void*, const tdm_header* trailers,
                     size_t count) { at(user).on_answer_end(fields(trailers, count)); },
    .answer_cut = [](void* user, void*) { at(user).on_answer_cut(); },
    .want_body = [](void* user, void*) { at(user).on_want_body(); },
    .done =
        [](void* user, void*, int outcome, bool answered, const tdm_error* error) {
          at(user).on_done(static_cast<Outcome>(outcome), answered,
                           error ? view(tdm_error_get_message(error)) : std::string_view{});
        },
    .http_send = [](void* user, tdm_exchange* exchange, const tdm_request* request,
                    const tdm_timeouts* timeouts) { at(user).on_http_send(exchange, *request, *timeouts); },
    .http_body = [](void* user, tdm_exchange* exchange,
                    tdm_str piece) { at(user).on_http_body(exchange, view(piece)); },
    .http_body_end =
        [](void* user, tdm_exchange* exchange, bool complete, const tdm_header* trailers, size_t trailers_count) {
          at(user).on_http_body_end(exchange, complete, {trailers, trailers_count});
        },
    .http_want_body = [](void* user, tdm_exchange* exchange) { at(user).on_http_want_body(exchange); },
    .http_cancel = [](void* user, tdm_exchange* exchange) { at(user).on_http_cancel(exchange); },
};

}  // namespace

Result<std::unique_ptr<Instance>> Instance::make(const Program& program, InstanceEvents& events, Executor& worker) {
  using Shared = std::shared_ptr<Waker>;
  std::unique_ptr<Instance> instance(new Instance);
  instance->waker_ = std::make_shared<Waker>(&events, &worker);
  tdm_instance_events table = kEvents;
  table.wake = [](void* waker) {
    const Shared& shared = *static_cast<Shared*>(waker);
    const std::lock_guard lock(shared->mutex);
    if (shared->worker == nullptr) return;
    shared->worker->post([shared] {
      if (shared->target) shared->target->on_wake();
    });
  };
  table.release_waker = [](void* waker) { delete static_cast<Shared*>(waker); };
  auto copy = std::make_unique<Shared>(instance->waker_);
  // From here on the engine releases the waker, also when the instance cannot be made.
  tdm_error* error = tdm_instance_new(program.raw(), &table, &events, copy.release(), &instance->raw_);
  if (error) return fail(take_error(error, ""));
  return instance;
}

Instance::~Instance() {
  if (waker_) waker_->detach();
  tdm_instance_delete(raw_);
}

}  // namespace tandem::engine
