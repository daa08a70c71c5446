// One store of the catalog behind a StateService, fresh and empty: what every door to it starts from.
#pragma once

#include <memory>
#include <string>

#include "blocks/state/state_service.h"
#include "component_server.h"
#include "components/catalog.h"
#include "net/worker.h"
#include "thread_loop.h"

namespace tandem::conformance {

class StoreUnderTest final {
 public:
  // `folder` below src/components, with a conformance.yaml. Null after a failed expectation.
  static std::unique_ptr<StoreUnderTest> make(const std::string& folder);
  ~StoreUnderTest();

  bool has(std::string_view capability) const { return schema_.has_capability(capability); }
  const std::string& name() const { return name_; }
  state::StateService& service() { return service_; }

 private:
  StoreUnderTest(const components::Catalog& catalog, const config::Component& component,
                 std::unique_ptr<ComponentServer> server);

  const std::unique_ptr<ComponentServer> server_;  // null: the component needs none

  const config::ComponentSchema schema_;
  const std::string name_;
  net::Workers workers_{2};
  ThreadLoop timers_;
  state::StateService service_{"default"};
};

}  // namespace tandem::conformance
