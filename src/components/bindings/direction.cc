#include "components/bindings/direction.h"

#include <string>

#include "base/text.h"
#include "config/text.h"

namespace tandem::components {

BindingDirection parse_direction(std::string_view text) {
  using Reader = bindings::BindingEntry::Reader;
  BindingDirection direction;
  if (text.empty()) return direction;
  direction.input = direction.output = false;
  for (const std::string& word : config::split_and_trim(text, ',')) {
    if (equals_ignoring_case(word, "input")) direction.input = true;
    if (equals_ignoring_case(word, "output")) direction.output = true;
  }
  if (direction.input) direction.reader = Reader::kNamed;
  return direction;
}

}  // namespace tandem::components
