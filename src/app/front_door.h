// The door of an app's own port: gives each request its trace before the app's handler sees it.
//
// One a worker; that worker's thread only. Outlived by the handler behind it.
#pragma once

#include "net/http.h"
#include "telemetry/trace_context.h"

namespace tandem::app {

class FrontDoor final : public net::Handler {
 public:
  FrontDoor(net::Handler& next, const telemetry::Sampler& sampler) : next_(next), sampler_(sampler) {}
  void handle(std::unique_ptr<net::Exchange> exchange) override;

 private:
  net::Handler& next_;
  const telemetry::Sampler& sampler_;
};

}  // namespace tandem::app
