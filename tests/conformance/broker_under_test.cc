#include "broker_under_test.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <utility>

#include "component_setup.h"

namespace tandem::conformance {

std::unique_ptr<BrokerUnderTest> BrokerUnderTest::make(const std::string& folder) {
  const Result<components::Catalog> catalog = components::Catalog::load();
  if (!catalog) {
    ADD_FAILURE() << catalog.error().message;
    return nullptr;
  }
  // Before the YAML is read: the environment says where the server is.
  std::unique_ptr<ComponentServer> server = start_server_for(folder);
  return std::unique_ptr<BrokerUnderTest>(new BrokerUnderTest(*catalog, read_component(folder), std::move(server)));
}

BrokerUnderTest::BrokerUnderTest(const components::Catalog& catalog, const config::Component& component,
                                 std::unique_ptr<ComponentServer> server)
    : server_(std::move(server)), name_(component.name) {
  workers_.start();
  config::Diagnostics diagnostics;
  std::optional<pubsub::BrokerEntry> entry =
      catalog.make_broker(component, {.timers = timers_, .workers = &workers_}, diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  EXPECT_TRUE(entry.has_value()) << component.type << " is no broker of the catalog";
  if (entry) {
    EXPECT_TRUE(service_.add_broker(std::move(*entry)));
  }
}

BrokerUnderTest::~BrokerUnderTest() { service_.close(std::chrono::steady_clock::now() + std::chrono::seconds(20)); }

}  // namespace tandem::conformance
