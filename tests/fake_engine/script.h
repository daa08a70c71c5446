// A module of the fake engine: its script, read once.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem_engine.h"

namespace tandem::fake {

// "call http://host/x": a verb and up to three words; the last one takes the rest of the step.
struct StepText {
  std::string verb;
  std::vector<std::string> words;
};

struct Script {
  int kind = TDM_MODULE_HTTP;
  bool fails_to_start = false;
  std::vector<std::string> needs;
  std::vector<std::string> exports;
  std::vector<std::pair<std::string, std::string>> subscriptions;
  std::vector<StepText> steps;
};

// Empty when `text` is a script, else what is wrong with it.
std::string parse_script(std::string_view text, Script& out);

}  // namespace tandem::fake
