// Fuzzes the readers of YAML: a letter and a line feed that say what it is (r: resources, c: a Configuration, a: an app
// file), and the text.
//
// Whatever comes in, the readers come back; what they refuse has a message, and every message can be printed.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/app_file.h"
#include "config/outbound_hosts.h"
#include "config/resource_loader.h"

namespace {

using namespace tandem::config;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const Diagnostics& diagnostics) {
  require(diagnostics.all().size() <= Diagnostics::kMaxKept);
  for (const Diagnostic& one : diagnostics.all()) {
    require(!one.message.empty());
    require(one.position.line >= 0);
  }
  require(diagnostics.all().empty() == diagnostics.to_string().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size < 2 || input[1] != '\n') return 0;
  const std::string_view text = input.substr(2);
  Diagnostics diagnostics;
  if (input[0] == 'r') {
    Resources resources;
    parse_resources(text, "r.yaml", resources, diagnostics);
    if (!diagnostics.has_errors()) {
      for (const Component& component : resources.components) require(!component.name.empty());
    }
    const Resources mine = resources.visible_to("orders");
    require(mine.components.size() <= resources.components.size());
    const auto set = ResiliencySet::of(resources.resiliencies, "orders", diagnostics);
    require(set.sources().size() == mine.resiliencies.size());
    require(set.app("stock").timeout.count() >= 0);
    for (const Resiliency& one : mine.resiliencies) {
      for (const auto& [name, breaker] : one.breakers) (void)breaker.trip.trips({.requests = 7, .total_failures = 3});
    }
  } else if (input[0] == 'c') {
    if (!parse_configuration(text, "c.yaml", diagnostics)) require(diagnostics.has_errors());
  } else if (input[0] == 'a') {
    const auto file = parse_app_file(text, "/apps/tandem.yaml", diagnostics);
    if (!file) require(diagnostics.has_errors());
    if (file && !diagnostics.has_errors()) {
      for (const AppSpec& app : file->apps) {
        require(check_app_id(app.app_id).empty());
        require(OutboundHosts::parse(app.allowed_outbound_hosts).has_value());
      }
    }
  }
  check(diagnostics);
  return 0;
}
