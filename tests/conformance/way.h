// The ways that a suite runs: every door to a block, over every component that plugs into it.
//
// A component takes part by its folder in src/components alone. What a door cannot express is skipped by name, so that
// it is printed and counted.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace tandem::conformance {

enum class Door {
  kService,  // the block itself
  kHttp,     // Dapr's HTTP API
  kGrpc,     // Dapr's gRPC API
  kGuest,    // the host functions that a guest imports
};

struct Way {
  Door door;
  std::string folder;  // of the component, below src/components: "state/in_memory"
};

// "guest_state_in_memory"
std::string way_name(const Way& way);
inline void PrintTo(const Way& way, std::ostream* out) { *out << way_name(way); }

// Every door to every component in src/components/<block>.
std::vector<Way> every_way(const std::string& block);

// Why nothing comes through this door in this build; empty: it is open.
std::string why_closed(Door door);

// For INSTANTIATE_TEST_SUITE_P.
inline std::string test_name(const testing::TestParamInfo<Way>& way) { return way_name(way.param); }

}  // namespace tandem::conformance
