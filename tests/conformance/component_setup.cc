#include "component_setup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>

#include "config/resource_loader.h"

namespace tandem::conformance {

WorkFolder::WorkFolder() : before_(std::filesystem::current_path()) {
  static std::atomic<int> number = 0;
  folder_ = std::filesystem::path(testing::TempDir()) /
            ("conformance_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
  std::filesystem::create_directories(folder_);
  std::filesystem::current_path(folder_);
}

WorkFolder::~WorkFolder() {
  std::filesystem::current_path(before_);
  std::filesystem::remove_all(folder_);
}

config::Component read_component(const std::string& folder) {
  const std::string path = std::string(TANDEM_COMPONENTS_DIR) + "/" + folder + "/conformance.yaml";
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path << " cannot be read";
  std::ostringstream text;
  text << file.rdbuf();
  config::Resources resources;
  config::Diagnostics diagnostics;
  config::parse_resources(text.str(), path, resources, diagnostics);
  for (config::Component& component : resources.components) {
    config::resolve_secrets(component, config::environment_secrets(), diagnostics);
  }
  EXPECT_EQ(diagnostics.to_string(), "");
  EXPECT_EQ(resources.components.size(), 1u);
  return resources.components.empty() ? config::Component() : resources.components.front();
}

}  // namespace tandem::conformance
