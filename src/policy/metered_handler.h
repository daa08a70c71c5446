// A handler whose calls are counted and timed: each exchange on its way to the handler behind is watched until it has
// been answered.
//
// A decorator, one a worker. The meter is told on the worker of the exchange; it outlives every exchange, so also the
// handler. Watching takes no lock and, once a thread has watched a few exchanges, no allocation.
#pragma once

#include <memory>

#include "net/http.h"
#include "telemetry/http_metrics.h"

namespace tandem::policy {

class CallMeter {
 public:
  virtual ~CallMeter() = default;
  virtual void started(const net::RequestHead&) noexcept {}
  // Once for each, when the answer is complete, cut off, or will never come (then it is a 500, as net/http.h says).
  // What the request's body was, is left to the meter.
  virtual void finished(const net::RequestHead& head, const telemetry::HttpCall& call) noexcept = 0;
};

class MeteredHandler final : public net::Handler {
 public:
  MeteredHandler(net::Handler& next, CallMeter& meter) : next_(next), meter_(meter) {}
  void handle(std::unique_ptr<net::Exchange> exchange) override;

 private:
  net::Handler& next_;
  CallMeter& meter_;
};

}  // namespace tandem::policy
