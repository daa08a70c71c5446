#include "host/guest_configuration.h"

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/guest_caller.h"
#include "host/guest_reply.h"

namespace tandem::host {
namespace {

std::vector<std::string> keys_of(const tdm_configuration_question& question) {
  std::vector<std::string> keys;
  keys.reserve(question.keys_count);
  for (const tdm_str& key : std::span(question.keys, question.keys_count)) keys.emplace_back(view(key));
  return keys;
}

void get(void* user, const tdm_configuration_question* question, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  guest.services().configuration.get(
      {guest.context(), guest.executor()}, view(question->store), keys_of(*question),
      metadata_of(question->metadata, question->metadata_count),
      [reply = GuestReply(reply)](Result<configuration::Items> items) mutable { reply.settings(std::move(items)); });
}

void subscribe(void* user, const tdm_configuration_question* question, tdm_reply* raw_reply) noexcept {
  GuestCaller& guest = caller_of(user);
  GuestReply reply(raw_reply);
  configuration::ConfigurationService& service = guest.services().configuration;
  const std::string_view store = view(question->store);
  if (const Status there = service.check_store(store, guest.context().app_id); !there) {
    return reply.error(there.error());
  }
  std::shared_ptr<configuration::Listener> listener = guest.configuration_listener();
  if (listener == nullptr) {
    return reply.error({Code::kFailedPrecondition, "ERR_APP_CHANNEL_NIL",
                        "app channel is not initialized. cannot subscribe to configuration updates"});
  }
  service.subscribe({guest.context(), guest.executor()}, store, keys_of(*question),
                    metadata_of(question->metadata, question->metadata_count), std::move(listener),
                    [reply = std::move(reply)](Result<std::string> id) mutable {
                      if (!id) return reply.error(id.error());
                      reply.value(share(std::move(*id)));
                    });
}

void unsubscribe(void* user, tdm_str store, tdm_str id, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  configuration::ConfigurationService& service = guest.services().configuration;
  if (const Status there = service.check_store(view(store), guest.context().app_id); !there) {
    return GuestReply(reply).error(there.error());
  }
  service.unsubscribe({guest.context(), guest.executor()}, view(store), std::string(view(id)),
                      [reply = GuestReply(reply)](Result<void> result) mutable { reply.done(result); });
}

}  // namespace

const tdm_configuration_vtable& configuration_vtable() {
  static constexpr tdm_configuration_vtable kTable = {.get = get, .subscribe = subscribe, .unsubscribe = unsubscribe};
  return kTable;
}

}  // namespace tandem::host
