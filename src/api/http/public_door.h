// The public port of a sidecar: health and metadata, and nothing else, for probes that have no API token.
//
// One a worker, that worker's thread only. It has an API of its own, which asks for no token.
#pragma once

#include "api/http/dapr_api.h"
#include "net/http.h"

namespace tandem::api::http {

class PublicDoor final : public net::Handler {
 public:
  explicit PublicDoor(ApiOptions options);
  void handle(std::unique_ptr<net::Exchange> exchange) override;

 private:
  DaprApi api_;
};

}  // namespace tandem::api::http
