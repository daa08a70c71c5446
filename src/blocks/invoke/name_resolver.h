// Where the sidecar of an app that is not in this process is reached: the one interface of all name resolvers.
//
// Owned by the server, made before the workers start. Any thread may call resolve() and forget(); announce() and
// withdraw() are the server's. A failure of resolve() is an Error whose message stands alone: "couldn't find service:
// orders".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/completion.h"
#include "base/executor.h"

namespace tandem::invoke {

// An app of this process, and the port of its sidecar that other sidecars call.
struct Announcement {
  std::string app_id;
  // Where that port listens: an IP address, also one that stands for all of them.
  std::string listen_address;
  std::uint16_t port = 0;
};

class NameResolver {
 public:
  virtual ~NameResolver() = default;

  // "host:port" of the app's sidecar; of one of them where there are more. Completes once, on `on`, possibly inside
  // this call when it is made there, within a time that the resolver keeps. kNotFound: nobody has that name.
  virtual void resolve(std::string_view app_id, std::string_view name_space, TimedExecutor& on,
                       Completion<std::string> done) = 0;
  // Nobody answers at that address any more.
  virtual void forget(std::string_view /*app_id*/, std::string_view /*address*/) {}

  // Lets others find the app. With the workers running.
  virtual void announce(Announcement /*app*/) {}
  // Takes back what was announced. With the workers running; returns when it has been said.
  virtual void withdraw() {}
};

}  // namespace tandem::invoke
