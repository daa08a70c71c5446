// The entries of tandem_wit.h: linking, and replies.
#include "reply.h"

using namespace tandem::fake;

struct tdm_reply final : Tracked {
  explicit tdm_reply(std::shared_ptr<ReplyState> to) : state(std::move(to)) {
    live().replies.fetch_add(1, std::memory_order_relaxed);
  }
  std::shared_ptr<ReplyState> state;
};

namespace tandem::fake {

std::optional<Answered> ReplyState::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answered_, std::nullopt);
}

void ReplyState::abandon() {
  const std::lock_guard lock(mutex_);
  waker_.reset();
}

void ReplyState::answer(Kind kind, Answered answered) {
  require(kind == kind_, "a reply is answered with what its function is documented to give");
  set(std::move(answered));
}

void ReplyState::fail(Answered answered) { set(std::move(answered)); }

void ReplyState::set(Answered answered) {
  std::shared_ptr<Waker> waker;
  {
    const std::lock_guard lock(mutex_);
    answered_ = std::move(answered);
    waker = waker_;
  }
  // In place, inside the host function, this only says that the running poll looks again.
  if (waker) waker->fire();
}

tdm_reply* make_reply(std::shared_ptr<ReplyState> state) { return new tdm_reply(std::move(state)); }

namespace {

// Takes the reply back.
std::shared_ptr<ReplyState> take_back(tdm_reply* reply) {
  reply->end("a reply is answered exactly once");
  live().replies.fetch_sub(1, std::memory_order_relaxed);
  return std::move(reply->state);
}

// The text of `bytes`, which are released.
std::string take_bytes(const tdm_bytes& bytes) {
  std::string text(bytes.ptr, bytes.len);
  if (bytes.release) bytes.release(bytes.owner);
  return text;
}

tdm_error* once(bool is_there, std::string_view name) {
  if (!is_there) return nullptr;
  return make_error(TDM_ERROR_LINK, std::string(name) + " is in the linker already");
}

}  // namespace
}  // namespace tandem::fake

void tdm_reply_error(tdm_reply* reply, int32_t code, tdm_str reason, tdm_str message) {
  Answered answered{.failed = true, .error = {}, .value = {}};
  answered.error = std::to_string(code) + " " + std::string(view(reason)) + ": " + std::string(view(message));
  take_back(reply)->fail(std::move(answered));
}

void tdm_reply_done(tdm_reply* reply) { take_back(reply)->answer(ReplyState::Kind::kDone, {}); }

void tdm_reply_value(tdm_reply* reply, const tdm_bytes* value) {
  Answered answered;
  if (value) answered.value = take_bytes(*value);
  take_back(reply)->answer(ReplyState::Kind::kValue, std::move(answered));
}

void tdm_reply_response(tdm_reply* reply, uint16_t status, const tdm_header*, size_t, tdm_bytes body) {
  Answered answered;
  answered.value = take_bytes(body);
  answered.status = status;
  take_back(reply)->answer(ReplyState::Kind::kResponse, std::move(answered));
}

// No step calls what these answer.
void tdm_reply_item(tdm_reply*, const tdm_item*) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_items(tdm_reply*, const tdm_bulk_item*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_keys(tdm_reply*, const tdm_str*, size_t, bool, tdm_str, uint64_t) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_failures(tdm_reply*, const tdm_failed_entry*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}

void tdm_reply_binding(tdm_reply*, const tdm_bytes*, const tdm_header*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_binding_error(tdm_reply*, int32_t, tdm_str, tdm_str, const tdm_header*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_pairs(tdm_reply*, const tdm_header*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_groups(tdm_reply*, const tdm_pair_group*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}
void tdm_reply_settings(tdm_reply*, const tdm_setting*, size_t) {
  violated("a reply is answered with what its function is documented to give");
}

tdm_error* tdm_wit_state_add(tdm_linker* linker, const tdm_state_vtable* vtable) {
  if (tdm_error* error = once(linker->tables.state.has_value(), "tandem:dapr/state")) return error;
  linker->tables.state = *vtable;
  return nullptr;
}

tdm_error* tdm_wit_pubsub_add(tdm_linker* linker, const tdm_pubsub_vtable* vtable) {
  if (tdm_error* error = once(linker->tables.pubsub.has_value(), "tandem:dapr/pubsub")) return error;
  linker->tables.pubsub = *vtable;
  return nullptr;
}

tdm_error* tdm_wit_invoke_add(tdm_linker* linker, const tdm_invoke_vtable* vtable) {
  if (tdm_error* error = once(linker->tables.invoke.has_value(), "tandem:dapr/invoke")) return error;
  linker->tables.invoke = *vtable;
  return nullptr;
}

tdm_error* tdm_wit_bindings_add(tdm_linker* linker, const tdm_bindings_vtable*) {
  if (tdm_error* error = once(linker->tables.bindings, "tandem:dapr/bindings")) return error;
  linker->tables.bindings = true;
  return nullptr;
}

tdm_error* tdm_wit_secrets_add(tdm_linker* linker, const tdm_secrets_vtable*) {
  if (tdm_error* error = once(linker->tables.secrets, "tandem:dapr/secrets")) return error;
  linker->tables.secrets = true;
  return nullptr;
}

tdm_error* tdm_wit_configuration_add(tdm_linker* linker, const tdm_configuration_vtable*) {
  if (tdm_error* error = once(linker->tables.configuration, "tandem:dapr/configuration")) return error;
  linker->tables.configuration = true;
  return nullptr;
}

tdm_error* tdm_wit_keyvalue_add(tdm_linker* linker, const tdm_state_vtable*) {
  if (tdm_error* error = once(linker->tables.keyvalue, "wasi:keyvalue")) return error;
  linker->tables.keyvalue = true;
  return nullptr;
}

tdm_error* tdm_wit_messaging_add(tdm_linker* linker, const tdm_pubsub_vtable*) {
  if (tdm_error* error = once(linker->tables.messaging, "wasi:messaging")) return error;
  linker->tables.messaging = true;
  return nullptr;
}

tdm_error* tdm_wit_config_add(tdm_linker* linker, const tdm_header*, size_t, const tdm_config_vtable*) {
  if (tdm_error* error = once(linker->tables.config, "wasi:config")) return error;
  linker->tables.config = true;
  return nullptr;
}
