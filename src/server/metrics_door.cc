#include "server/metrics_door.h"

namespace tandem::server {

void MetricsDoor::handle(std::unique_ptr<net::Exchange> exchange) {
  const net::RequestHead& head = exchange->head();
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  if (path != "/metrics" && path != "/") return exchange->respond(404, {}, "the metrics are at /metrics\n");
  if (head.method != "GET" && head.method != "HEAD") return exchange->respond(405, {}, {});
  const net::Header type{"content-type", "text/plain; version=0.0.4; charset=utf-8"};
  exchange->respond(200, net::Headers(&type, 1), metrics_.expose());
}

}  // namespace tandem::server
