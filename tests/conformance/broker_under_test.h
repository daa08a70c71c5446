// One broker of the catalog behind a PubsubService, fresh and empty: what every door to it starts from.
#pragma once

#include <memory>
#include <string>

#include "blocks/pubsub/pubsub_service.h"
#include "component_server.h"
#include "components/catalog.h"
#include "net/worker.h"
#include "thread_loop.h"

namespace tandem::conformance {

class BrokerUnderTest final {
 public:
  // `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
  static std::unique_ptr<BrokerUnderTest> make(const std::string& folder);
  // Waits for the deliveries under way: before the sinks go.
  ~BrokerUnderTest();

  const std::string& name() const { return name_; }
  pubsub::PubsubService& service() { return service_; }

 private:
  BrokerUnderTest(const components::Catalog& catalog, const config::Component& component,
                  std::unique_ptr<ComponentServer> server);

  const std::unique_ptr<ComponentServer> server_;  // null: the component needs none

  const std::string name_;
  net::Workers workers_{2};
  ThreadLoop timers_;
  pubsub::PubsubService service_;
};

}  // namespace tandem::conformance
