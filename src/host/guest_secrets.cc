#include "host/guest_secrets.h"

#include <string>
#include <utility>

#include "host/guest_caller.h"
#include "host/guest_reply.h"

namespace tandem::host {
namespace {

void get(void* user, tdm_str store, tdm_str name, const tdm_header* metadata, std::size_t count,
         tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  guest.services().secrets.get(
      {guest.context(), guest.executor()}, view(store), std::string(view(name)), metadata_of(metadata, count),
      [reply = GuestReply(reply)](Result<secrets::Secret> secret) mutable { reply.pairs(std::move(secret)); });
}

void get_bulk(void* user, tdm_str store, const tdm_header* metadata, std::size_t count, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  guest.services().secrets.bulk_get(
      {guest.context(), guest.executor()}, view(store), metadata_of(metadata, count),
      [reply = GuestReply(reply)](Result<secrets::Secrets> all) mutable { reply.groups(std::move(all)); });
}

}  // namespace

const tdm_secrets_vtable& secrets_vtable() {
  static constexpr tdm_secrets_vtable kTable = {.get = get, .get_bulk = get_bulk};
  return kTable;
}

}  // namespace tandem::host
