#include "net/call_phase.h"

#include <string>

#include "net/client_request.h"

namespace tandem::net {

Error overdue(const ClientRequest& request, CallPhase phase) {
  const auto after = [](std::chrono::milliseconds limit) { return std::to_string(limit.count()) + " ms"; };
  const std::string peer = peer_of(request);
  std::string message;
  switch (phase) {
    case CallPhase::kConnecting:
      message = "no connection to " + peer + " within " + after(request.connect_timeout);
      break;
    case CallPhase::kFirstByte: message = peer + " did not answer within " + after(request.first_byte_timeout); break;
    case CallPhase::kBody:
    case CallPhase::kHeldBack:
    case CallPhase::kOver:
      message = peer + " sent no more of its answer for " + after(request.between_bytes_timeout);
      break;
  }
  return make_error(Code::kDeadlineExceeded, std::move(message));
}

}  // namespace tandem::net
