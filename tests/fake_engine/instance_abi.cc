// The entries of tandem_engine.h for instances and their running call.
#include "instance.h"

using namespace tandem::fake;

namespace {

// The calling thread has the instance, which is not over.
class Using final {
 public:
  explicit Using(const tdm_instance* instance) : use_((check(instance), *instance)) {}

 private:
  static void check(const tdm_instance* instance) {
    require(!instance->over(), "an instance is not used after its end");
  }
  const Tracked::Use use_;
};

}  // namespace

tdm_error* tdm_instance_new(tdm_program* program, const tdm_instance_events* events, void* user, void* waker,
                            tdm_instance** out) {
  auto shared_waker = std::make_shared<Waker>(waker, events->wake, events->release_waker);
  std::atomic<std::uint32_t>& slots = program->shared->engine->slots_left;
  std::uint32_t left = slots.load(std::memory_order_relaxed);
  do {
    if (left == 0) return make_error(TDM_ERROR_LIMIT, "no slot is left for another instance");
  } while (!slots.compare_exchange_weak(left, left - 1, std::memory_order_relaxed));
  *out = new tdm_instance(program->shared, *events, user, std::move(shared_waker));
  return nullptr;
}

void tdm_instance_delete(tdm_instance* instance) {
  if (instance == nullptr) return;
  require(!InCallback::here(), "no instance is deleted inside a callback");
  const Using use(instance);
  instance->stop();
  instance->end("an instance is deleted once");
}

int tdm_instance_poll(tdm_instance* instance) {
  require(!InCallback::here(), "no instance is polled inside a callback");
  const Using use(instance);
  return instance->poll();
}

void tdm_instance_start(tdm_instance* instance, const tdm_request* request, void* call) {
  const Using use(instance);
  instance->start(request, call);
}

void tdm_instance_call(tdm_instance*, tdm_str, const uint64_t*, size_t, void*) {
  violated("tdm_instance_call() is for core modules, and the fake engine has none");
}
size_t tdm_instance_results(const tdm_instance*, uint64_t*, size_t) {
  violated("tdm_instance_results() is for core modules, and the fake engine has none");
}

uint64_t tdm_instance_memory_bytes(const tdm_instance* instance) {
  const Using use(instance);
  return instance->memory_bytes;
}

size_t tdm_instance_resource_count(const tdm_instance* instance) {
  const Using use(instance);
  return instance->handles;
}

void tdm_call_body(tdm_instance* instance, tdm_str piece) {
  const Using use(instance);
  require(instance->running, "tdm_call_body() is for a running call");
  require(std::exchange(instance->body.asked, false), "a piece of the request's body follows want_body");
  instance->body.buffer += view(piece);
  instance->waker().fire();
}

void tdm_call_body_end(tdm_instance* instance, bool complete, const tdm_header*, size_t) {
  const Using use(instance);
  require(instance->running, "tdm_call_body_end() is for a running call");
  require(std::exchange(instance->body.asked, false), "the end of the request's body follows want_body");
  require(!instance->body.ended(), "the request's body ends once");
  (complete ? instance->body.complete : instance->body.broken) = true;
  instance->waker().fire();
}

void tdm_call_drained(tdm_instance* instance) {
  const Using use(instance);
  require(instance->running, "tdm_call_drained() is for a running call");
  require(std::exchange(instance->answer.body.in_flight, false), "only a piece that was given is drained");
  instance->waker().fire();
}

void tdm_call_discard(tdm_instance* instance) {
  const Using use(instance);
  require(instance->running, "tdm_call_discard() is for a running call");
  instance->answer.body.discard = true;
  instance->answer.body.in_flight = false;
  instance->answer.body.buffer.clear();
  instance->waker().fire();
}
