// tandem:dapr/invoke for guests: a call of another app's handler on the same worker, without a socket.
//
// The other app's handler is called from the worker's loop, never from inside the guest's host function: the handler
// may run a guest, and no instance is polled inside another. The answer is gathered up to a limit.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/completion.h"
#include "host/guest_reply.h"
#include "net/in_process.h"
#include "net/response_sink.h"
#include "tandem_wit.h"

namespace tandem::host {

// Lives as long as the process.
const tdm_invoke_vtable& invoke_vtable();

// The request that the other app sees: without the headers of one hop and without what says who calls, which are set
// here. Fails with kInvalidArgument, ERR_DIRECT_INVOKE, for a method, path or header that is not one, and with
// kResourceExhausted for a body over the limit.
Result<net::OwnedRequest> invoke_request(const tdm_invoke_request& request, std::string_view app_id,
                                         const CallContext& context, std::size_t max_body_bytes);

// Gathers an answer for `done`, which fails with kResourceExhausted over `max_body_bytes`, and with the code of what
// broke the answer off; reason ERR_DIRECT_INVOKE.
std::unique_ptr<net::ResponseSink> gather_response(std::string app_id, std::size_t max_body_bytes,
                                                   Completion<InvokeResponse> done);

}  // namespace tandem::host
