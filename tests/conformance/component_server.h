// The server that a component is a client of: Debian's own, started for one test with data of its own.
//
// A component's conformance.yaml names the environment variables (envRef) that say where it is.
#pragma once

#include <memory>
#include <string>

namespace tandem::conformance {

class ComponentServer {
 public:
  virtual ~ComponentServer() = default;
};

// What the component in src/components/<folder> needs; null: nothing. Fails the test when it does not start.
std::unique_ptr<ComponentServer> start_server_for(const std::string& folder);

}  // namespace tandem::conformance
