// Where a gRPC call goes: the program behind an app id, and who finds it.
//
// Plain values and an interface, implemented by whoever knows the apps. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/completion.h"
#include "net/grpc/call_gate.h"

namespace grpc {
class Channel;
}

namespace tandem::net::grpc {

using MetadataPairs = std::vector<std::pair<std::string, std::string>>;

struct CallRoute {
  std::string app_id;  // of the callee, without a namespace
  std::shared_ptr<::grpc::Channel> channel;
  // What calls on this way carry in place of what their callers gave by these names; an empty value takes away only.
  MetadataPairs metadata;
  // For calls of AppCallback.OnInvoke; null: they have no limit.
  std::shared_ptr<CallGate> gate;
  // Whether the app takes invocations at the moment, for the same calls; null: always. Any thread.
  std::function<bool()> is_healthy;
  // Told of a call that nobody answered, so that the next look-up finds another way; null: there is no other. Any
  // thread, as long as the router lives.
  std::function<void()> broken;
};

class CallRouter {
 public:
  virtual ~CallRouter() = default;

  // The way to an app of this process that speaks gRPC; null: it is elsewhere, or speaks something else. Lives as long
  // as the router.
  virtual const CallRoute* here(std::string_view app_id) const = 0;

  // The way to `target`, "id" or "id.namespace", wherever it is. `done` runs once, in place or later, on any thread;
  // the code and the message of a failure are what the call's client gets.
  virtual void find(std::string_view target, Completion<CallRoute> done) const = 0;
};

}  // namespace tandem::net::grpc
