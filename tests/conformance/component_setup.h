// What every suite needs before its first case: a component of the user's YAML, in a folder of its own.
#pragma once

#include <filesystem>
#include <string>

#include "components/catalog.h"
#include "config/component.h"

namespace tandem::conformance {

// An empty folder that is the working directory while it lives, as a user's is: components write there.
class WorkFolder final {
 public:
  WorkFolder();
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

 private:
  const std::filesystem::path before_;
  std::filesystem::path folder_;
};

// The component in src/components/<folder>/conformance.yaml, with what it takes from the environment; fails the test
// when there is not exactly one, without mistakes.
config::Component read_component(const std::string& folder);

}  // namespace tandem::conformance
