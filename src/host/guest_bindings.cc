#include "host/guest_bindings.h"

#include <string>
#include <utility>

#include "host/guest_caller.h"
#include "host/guest_reply.h"

namespace tandem::host {
namespace {

void invoke(void* user, const tdm_binding_request* request, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  bindings::InvokeCall call{.binding = std::string(view(request->binding)),
                            .operation = std::string(view(request->operation)),
                            .data = std::string(view(request->data)),
                            .metadata = metadata_of(request->metadata, request->metadata_count)};
  guest.services().bindings.invoke(
      {guest.context(), guest.executor()}, std::move(call),
      [reply = GuestReply(reply)](Result<bindings::InvokeAnswer> answer) mutable { reply.binding(std::move(answer)); });
}

}  // namespace

const tdm_bindings_vtable& bindings_vtable() {
  static constexpr tdm_bindings_vtable kTable = {.invoke = invoke};
  return kTable;
}

}  // namespace tandem::host
