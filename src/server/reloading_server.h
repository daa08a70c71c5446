// A Server that can read its resources and Configuration again: a second server starts beside the first one, at the
// same ports, with everything that it needs; when it serves, the first one finishes what it has begun and goes.
//
// So whatever is wrong (a mistake in the YAML, a component that does not start) is found while the first one still
// serves, and it goes on then. daprd restarts its runtime inside the process, too, but stops the old one first. What
// lives in memory only (in-memory components, labels, metrics, guests' instances) begins anew, as it does in daprd.
//
// Owned by main's thread, which alone calls it. Limits: what two servers cannot have at once for a moment, a SQLite
// file with an exclusive lock say, makes the reload fail.
#pragma once

#include <memory>

#include "net/held_sockets.h"
#include "server/server.h"

namespace tandem::server {

class ReloadingServer final {
 public:
  // As Server::start().
  static Result<std::unique_ptr<ReloadingServer>> start(ProcessOptions options, const Logger& log,
                                                        Server::Requests requests);
  ~ReloadingServer();

  // The one that serves now; until the next reload().
  Server& current() { return *server_; }

  // Blocks until the new server serves and the old one is gone. Fails, and the old one goes on, with all that is wrong.
  Status reload();
  // As Server::stop().
  bool stop();

 private:
  ReloadingServer(ProcessOptions options, const Logger& log, Server::Requests requests);

  ProcessOptions options_;  // with the ports that were taken
  const Logger& log_;
  const Server::Requests requests_;
  net::HeldSockets sockets_;
  std::unique_ptr<Server> server_;
};

}  // namespace tandem::server
