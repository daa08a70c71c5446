// One worker's part of an HttpServer: its accept loop and its connections.
//
// Shared by the server and by its connections, so that an exchange that a handler keeps after the server has gone still
// finds it. Everything runs on the worker's thread except open_connections() and what says so.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "net/http_head.h"
#include "net/http_server.h"
#include "net/listening_socket.h"

namespace tandem::net {

class HttpConnection;
class ServerConnection;

// What the shards of a server have in common. Counters are for any thread.
struct ServerShared {
  ServerOptions options;
  std::unique_ptr<SocketFile> file;                // of a Unix domain socket
  std::vector<std::weak_ptr<ServerShard>> shards;  // written before the first is started
  std::atomic<std::size_t> connections = 0;        // accepted and not closed, of all shards
  std::atomic<std::size_t> accepting = 0;          // shards that still accept
  std::atomic<bool> draining = false;
  std::atomic<bool> drained = false;
  std::atomic<bool> cut_requests = false;             // set before the connection of a request under way is cut
  std::move_only_function<void(Drained)> on_drained;  // set before `draining`, run by whoever sets `drained`
  ServerObserver no_observer;

  void connection_closed();
  // Runs on_drained if there is nothing left to wait for.
  void check_drained();
};

class ServerShard final : public std::enable_shared_from_this<ServerShard> {
 public:
  ServerShard(Worker& worker, Handler& handler, std::shared_ptr<ServerShared> shared);
  ~ServerShard();

  // Takes over a file descriptor of its own for a common listening socket. Before accept().
  void listen_on(int listening_socket);

  void accept();
  void stop_accepting();
  // Closes idle connections and lets the others finish their request.
  void drain();
  // Cuts every connection; no handler is called afterwards.
  void cut();

  void add(int connected_socket);
  void remove(ServerConnection& connection);
  // `next` goes on with what `connection` has begun.
  void replace(ServerConnection& connection, std::shared_ptr<ServerConnection> next);

  // Answers that are complete at once are gathered and leave together at the end of a turn of the loop: a client on
  // this machine is then not woken between the requests of a turn, which takes the core from them each time. False when
  // the last turns had one answer each: then it is better sent at once.
  bool gathers();
  // Has `connection` called back with send_gathered() at the end of this turn.
  void gather(std::shared_ptr<ServerConnection> connection);
  // Sends what was gathered long before `now`: a guest that computes holds no other's answer back for its whole turn.
  void send_overdue(std::chrono::steady_clock::time_point now);

  Worker& worker() { return worker_; }
  Handler& handler() { return handler_; }
  const ServerOptions& options() const { return shared_->options; }
  bool draining() const { return shared_->draining.load(std::memory_order_relaxed); }
  HttpDate& date() { return date_; }
  ServerObserver& observer() { return *observer_; }
  // Any thread.
  std::size_t open_connections() const { return open_.load(std::memory_order_relaxed); }

 private:
  void accept_from(std::size_t listener);
  void accept_waiting(std::size_t listener);
  void place(int connected_socket);
  void send_gathered();

  Worker& worker_;
  Handler& handler_;
  const std::shared_ptr<ServerShared> shared_;
  ServerObserver* const observer_;
  std::vector<ListeningSocket> listeners_;
  HttpDate date_;
  std::vector<std::shared_ptr<ServerConnection>> connections_;
  std::vector<std::shared_ptr<ServerConnection>> gathered_;
  std::chrono::steady_clock::time_point gathered_at_;  // the first look after the first of them came
  bool send_posted_ = false;
  int lone_turns_ = 0;                 // the latest turns, as far as they gathered one answer each
  int at_once_ = 0;                    // so many answers are sent at once before gathering is tried again
  std::atomic<std::size_t> open_ = 0;  // also counts sockets that are on their way here
  bool accepting_ = true;
  bool cut_ = false;
};

}  // namespace tandem::net
