// Fuzzes the C ABI of engine/cel: a rule, a line feed, a byte that says what the event is, and the event.
//
// Whatever comes in: a rule compiles or is refused with a text, an event is answered or is an error with a text.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cel/rule_compiler.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos || line + 1 >= size) return 0;
  const std::array<std::string_view, 2> rules{input.substr(0, line), ""};
  const auto compiled = tandem::cel::CelRuleCompiler().compile(rules);
  if (!compiled) {
    require(!compiled.error().message.empty());
    return 0;
  }
  const auto form = data[line + 1] == 't' ? tandem::pubsub::EventForm::kText : tandem::pubsub::EventForm::kJson;
  const auto found = (*compiled)->find(input.substr(line + 2), form);
  // The second rule takes what the first does not.
  require(found ? found->has_value() && **found < rules.size() : !found.error().message.empty());
  return 0;
}
