#include "host/guest_config.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/guest_caller.h"
#include "host/guest_reply.h"

namespace tandem::host {
namespace {

using NamedSecret = GuestSettings::NamedSecret;

Result<SharedBytes> value_of(const NamedSecret& named, Result<secrets::Secret> secret) {
  if (!secret) return fail(std::move(secret.error()));
  const auto found = secret->find(named.key);
  if (found != secret->end()) return share(std::move(found->second));
  return fail(Code::kNotFound,
              "secret " + named.secret + " of secret store " + named.store + " has no key " + named.key);
}

void get_secret(GuestCaller& guest, const NamedSecret& named, Completion<SharedBytes> done) {
  guest.services().secrets.get({guest.context(), guest.executor()}, named.store, named.secret, {},
                               [named, done = std::move(done)](Result<secrets::Secret> secret) mutable {
                                 done(value_of(named, std::move(secret)));
                               });
}

void get(void* user, tdm_str raw_key, tdm_reply* raw_reply) noexcept {
  GuestCaller& guest = caller_of(user);
  GuestReply reply(raw_reply);
  const GuestSettings& settings = guest.settings();
  const std::string key(view(raw_key));
  const auto named = std::ranges::find(settings.secrets, key, &NamedSecret::name);
  if (named != settings.secrets.end()) {
    return get_secret(guest, *named,
                      [reply = std::move(reply)](Result<SharedBytes> value) mutable { reply.value(std::move(value)); });
  }
  if (settings.configuration_store.empty()) return reply.value(SharedBytes());
  guest.services().configuration.get({guest.context(), guest.executor()}, settings.configuration_store, {key}, {},
                                     [reply = std::move(reply), key](Result<configuration::Items> items) mutable {
                                       if (!items) return reply.error(items.error());
                                       const auto found = items->find(key);
                                       if (found == items->end()) return reply.value(SharedBytes());
                                       reply.value(share(std::move(found->second.value)));
                                     });
}

// All pairs on their way to the guest: the store's, then one secret after the other.
struct Gathering {
  GuestReply reply;
  const std::vector<NamedSecret> secrets;
  secrets::SecretService& service;
  const CallContext context;
  Executor& executor;
  Metadata pairs;
};

void next_secret(std::shared_ptr<Gathering> all, std::size_t next) {
  if (next == all->secrets.size()) return all->reply.pairs(std::move(all->pairs));
  const NamedSecret& named = all->secrets[next];
  Gathering& here = *all;
  here.service.get({here.context, here.executor}, named.store, named.secret, {},
                   [all = std::move(all), next](Result<secrets::Secret> secret) mutable {
                     Result<SharedBytes> value = value_of(all->secrets[next], std::move(secret));
                     if (!value) return all->reply.error(value.error());
                     all->pairs.insert_or_assign(all->secrets[next].name, **value);
                     next_secret(std::move(all), next + 1);
                   });
}

void get_all(void* user, tdm_reply* raw_reply) noexcept {
  GuestCaller& guest = caller_of(user);
  const GuestSettings& settings = guest.settings();
  auto all = std::make_shared<Gathering>(GuestReply(raw_reply), settings.secrets, guest.services().secrets,
                                         guest.context(), guest.executor(), Metadata());
  if (settings.configuration_store.empty()) return next_secret(std::move(all), 0);
  guest.services().configuration.get({guest.context(), guest.executor()}, settings.configuration_store, {}, {},
                                     [all = std::move(all)](Result<configuration::Items> items) mutable {
                                       if (!items) return all->reply.error(items.error());
                                       for (auto& [key, item] : *items) all->pairs.emplace(key, std::move(item.value));
                                       next_secret(std::move(all), 0);
                                     });
}

}  // namespace

const tdm_config_vtable& config_vtable() {
  static constexpr tdm_config_vtable kTable = {.get = get, .get_all = get_all};
  return kTable;
}

}  // namespace tandem::host
