// Listening sockets that outlive the servers behind them: a server that takes another's place listens at the same ports
// before the other one has gone, and no connection is refused in between.
//
// Whoever restarts servers owns it and outlives their Workers. attach() comes before the first listen() on those
// workers: from then on every listening socket that they open is kept here as well, and opening the same place again
// gives a copy of the kept socket, with a share of its file where it has one. Any thread. Nothing fails: a socket that
// cannot be kept is opened anew the next time, or refused as in use.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "net/socket_file.h"
#include "net/worker.h"

namespace tandem::net {

class HeldSockets final {
 public:
  HeldSockets() = default;
  HeldSockets(const HeldSockets&) = delete;
  HeldSockets& operator=(const HeldSockets&) = delete;
  ~HeldSockets() { release(); }

  void attach(Workers& workers);
  // Closes what is kept and keeps nothing further: connections are refused once the servers have closed theirs.
  void release();

  struct Held {
    int socket = -1;                   // for the caller to close; -1: none is kept
    std::unique_ptr<SocketFile> file;  // of a Unix domain socket
  };

  // For whoever opens listening sockets. `place` is the address as bind() takes it, in bytes. A copy of the socket that
  // listens there. A Unix domain socket whose file is gone, or is another one's, is kept no longer.
  static Held take(boost::asio::io_context& io, const void* place, std::size_t size);
  // Keeps a copy of a socket that has just begun to listen, in a file or at an address.
  static void keep(boost::asio::io_context& io, int socket, const SocketFile* file = nullptr);

 private:
  class Service;

  struct Kept {
    int socket;
    std::optional<SocketFile::Reference> file;
  };

  Held copy_of(const std::string& place);
  void add(int socket, const SocketFile* file);

  std::mutex mutex_;
  bool released_ = false;
  std::map<std::string, Kept> sockets_;  // by the address that they are bound to
};

}  // namespace tandem::net
