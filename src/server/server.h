// The running process: reads resources, builds blocks, apps and doors, starts them, stops them in order.
//
// One a process, made and stopped by main's thread. start() returns when every app can be served, or with the first
// thing that cannot be: bad YAML (all of it, each mistake with file and line), a module that does not load, a port in
// use.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "server/process_options.h"

namespace tandem::server {

// Where an app was put, for people and tests.
struct AppAddress {
  std::string app_id;
  std::string scheme;          // "http"
  std::string address;         // "127.0.0.1"
  std::uint16_t app_port = 0;  // 0: an app outside that cannot be called
  std::uint16_t dapr_http_port = 0;
  std::uint16_t dapr_grpc_port = 0;
  std::uint16_t public_port = 0;         // 0: none
  std::uint16_t internal_grpc_port = 0;  // that other sidecars call
};

class Server final {
 public:
  // What the server asks of its owner, from any thread.
  struct Requests {
    std::function<void()> stop;    // a client has posted to /v1.0/shutdown
    std::function<void()> reload;  // a resource has changed that only a new server takes over
    // Not a wish: connections are taken from now on, so that a stop has something to finish. While start() runs.
    std::function<void()> accepting;
  };
  // `log` outlives the server.
  static Result<std::unique_ptr<Server>> start(ProcessOptions options, const Logger& log, Requests requests);
  ~Server();

  // Says in the log where everything is served. Apart from start(), so that whoever waits for these lines and then
  // stops the process finds its caller ready for that.
  void announce() const;
  std::vector<AppAddress> addresses() const;
  std::uint16_t metrics_port() const;  // 0: off

  // Puts the orderly stop off, as daprd's --dapr-block-shutdown-duration: no more events, all else is served, until
  // `time` is over or the first app is not healthy.
  void hold_stop(std::chrono::nanoseconds time);
  // Another server has taken this one's place at the same ports: new connections are for it. Before stop().
  void stop_accepting();

  // The orderly stop: subscriptions first, then no new requests, those in flight finish within the limit, components
  // close. Returns false when something had to be cut off.
  bool stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::server
