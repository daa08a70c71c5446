#include "app/front_door.h"

#include <utility>

namespace tandem::app {

void FrontDoor::handle(std::unique_ptr<net::Exchange> exchange) {
  const net::Headers headers = exchange->head().headers;
  const auto parent = net::find_header(headers, "traceparent");
  const auto state = parent ? net::find_header(headers, "tracestate") : std::nullopt;
  exchange->context().trace = telemetry::begin_trace(parent.value_or(""), state.value_or(""), sampler_);
  next_.handle(std::move(exchange));
}

}  // namespace tandem::app
