#include "script.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace tandem::fake {
namespace {

struct Verb {
  std::string_view name;
  std::size_t words;
};

constexpr std::array kVerbs{
    Verb{"hello", 0},
    Verb{"status", 1},
    Verb{"echo", 0},
    Verb{"stream", 1},
    Verb{"cut", 0},
    Verb{"error", 1},
    Verb{"suspend", 1},
    Verb{"spin", 0},
    Verb{"never-answer", 0},
    Verb{"trap", 0},
    Verb{"call", 1},
    Verb{"relay", 1},
    Verb{"abandon", 1},
    Verb{"get", 2},
    Verb{"set", 3},
    Verb{"publish", 3},
    Verb{"invoke", 2},
    Verb{"log", 1},
    Verb{"leak", 0},
    Verb{"grow", 1},
    Verb{"command", 0},
    Verb{"needs", 1},
    Verb{"fails-to-start", 0},
    Verb{"from-header", 0},
    Verb{"verdict", 1},
    Verb{"exports", 1},
    Verb{"subscribes", 2},
};

constexpr std::array<std::string_view, 4> kNumbered{"status", "stream", "suspend", "grow"};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// The next word of `rest`.
std::string_view take_word(std::string_view& rest) {
  const std::size_t end = rest.find(' ');
  const std::string_view word = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : trim(rest.substr(end));
  return word;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 6 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string parse_step(std::string_view text, Script& out) {
  std::string_view rest = text;
  const std::string_view name = take_word(rest);
  const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
  if (verb == kVerbs.end()) return "no such step: " + std::string(name);
  StepText step{std::string(name), {}};
  for (std::size_t i = 0; i < verb->words; ++i) {
    const std::string_view word = i + 1 == verb->words ? rest : take_word(rest);
    if (word.empty()) return std::string(name) + " lacks a word";
    step.words.emplace_back(word);
  }
  if (verb->words == 0 && !rest.empty()) return std::string(name) + " takes no words";
  if (std::ranges::find(kNumbered, name) != kNumbered.end() && !is_number(step.words[0])) {
    return std::string(name) + " takes a number";
  }
  if (name == "command") {
    out.kind = TDM_MODULE_P1_COMMAND;
  } else if (name == "fails-to-start") {
    out.fails_to_start = true;
  } else if (name == "needs") {
    out.needs.push_back(step.words[0]);
  } else if (name == "exports") {
    out.exports.push_back(step.words[0]);
  } else if (name == "subscribes") {
    out.subscriptions.emplace_back(step.words[0], step.words[1]);
  } else {
    out.steps.push_back(std::move(step));
  }
  return {};
}

}  // namespace

std::string parse_script(std::string_view text, Script& out) {
  bool any = false;
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    const std::string_view step = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (step.empty()) continue;
    any = true;
    if (std::string problem = parse_step(step, out); !problem.empty()) return problem;
  }
  return any ? std::string() : "the script is empty";
}

}  // namespace tandem::fake
