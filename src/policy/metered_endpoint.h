// An app's endpoint whose calls are counted, whoever makes them: invocations, deliveries, Tandem's own questions.
//
// A decorator: the endpoint behind it outlives it, the meter outlives every exchange. Made before the workers start;
// handler() from any worker.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "blocks/invoke/invoke_service.h"
#include "policy/metered_handler.h"

namespace tandem::policy {

class MeteredEndpoint final : public invoke::Endpoint {
 public:
  MeteredEndpoint(invoke::Endpoint& endpoint, std::size_t workers, CallMeter& meter) {
    for (std::size_t i = 0; i < workers; ++i) {
      handlers_.push_back(std::make_unique<MeteredHandler>(endpoint.handler(i), meter));
    }
  }
  net::Handler& handler(std::size_t worker) override { return *handlers_[worker]; }

 private:
  std::vector<std::unique_ptr<MeteredHandler>> handlers_;
};

}  // namespace tandem::policy
