// What the metadata `direction` of a bindings component says: "input", "output", "input, output".
//
// A plain function, any thread, never fails: a word that is neither counts for nothing, as in daprd.
#pragma once

#include <string_view>

#include "blocks/bindings/binding_service.h"

namespace tandem::components {

struct BindingDirection {
  bool input = true;
  bool output = true;
  bindings::BindingEntry::Reader reader = bindings::BindingEntry::Reader::kAsk;
};

// Empty: both, and the app is asked.
BindingDirection parse_direction(std::string_view text);

}  // namespace tandem::components
