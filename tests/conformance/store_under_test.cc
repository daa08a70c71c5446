#include "store_under_test.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <utility>

#include "component_setup.h"
#include "policy/encrypted_store.h"

namespace tandem::conformance {

std::unique_ptr<StoreUnderTest> StoreUnderTest::make(const std::string& folder) {
  const Result<components::Catalog> catalog = components::Catalog::load();
  if (!catalog) {
    ADD_FAILURE() << catalog.error().message;
    return nullptr;
  }
  // Before the YAML is read: the environment says where the server is.
  std::unique_ptr<ComponentServer> server = start_server_for(folder);
  const config::Component component = read_component(folder);
  if (catalog->find(component.type, component.version) == nullptr) {
    ADD_FAILURE() << component.type << " is not in the catalog";
    return nullptr;
  }
  return std::unique_ptr<StoreUnderTest>(new StoreUnderTest(*catalog, component, std::move(server)));
}

StoreUnderTest::StoreUnderTest(const components::Catalog& catalog, const config::Component& component,
                               std::unique_ptr<ComponentServer> server)
    : server_(std::move(server)), schema_(*catalog.find(component.type, component.version)), name_(component.name) {
  workers_.start();
  config::Diagnostics diagnostics;
  std::optional<state::StoreEntry> entry =
      catalog.make_store(component, {.timers = timers_, .workers = &workers_}, diagnostics);
  if (entry) entry->store = policy::encrypt_values(std::move(entry->store), component, diagnostics);
  EXPECT_EQ(diagnostics.to_string(), "");
  if (entry) {
    EXPECT_TRUE(service_.add(std::move(*entry)));
  }
}

StoreUnderTest::~StoreUnderTest() { service_.close(std::chrono::steady_clock::now() + std::chrono::seconds(20)); }

}  // namespace tandem::conformance
