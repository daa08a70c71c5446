#include "cli/cli.h"

#include <fmt/format.h>

#include <array>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "config/diagnostics.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(Arguments);
};

constexpr std::array<Command, 4> kCommands = {{
    {"run", "serve one WebAssembly app, or all those of a tandem.yaml", run_command},
    {"daprd", "stand beside a program as its Dapr sidecar, with daprd's own flags", daprd_command},
    {"inspect", "say what a .wasm is, what it asks for and whether it can run here", inspect_command},
    {"version", "print the versions of Tandem and its engine", version_command},
}};

std::string help() {
  std::string text =
      "Tandem runs WebAssembly apps on Dapr's building blocks, in one process.\n\n"
      "Usage: tandem COMMAND [FLAGS]\n\nCommands:\n";
  for (const Command& command : kCommands) text += fmt::format("  {:<10}{}\n", command.name, command.summary);
  text +=
      "\nFlags:\n  -h, --help     print this\n  -v, --version  print the version\n\n"
      "Examples:\n"
      "  tandem run app.wasm                           one app at http://127.0.0.1:8080\n"
      "  tandem run -f tandem.yaml                     the apps of a file\n"
      "  tandem daprd --app-id orders --app-port 8000  beside a program that listens on port 8000\n"
      "  tandem inspect app.wasm                       what is in it\n"
      "  tandem run --help                             all flags of a command\n";
  return text;
}

const Command* find(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string unknown(std::string_view word) {
  std::vector<std::string_view> names = {"help", "--help", "--version"};
  for (const Command& command : kCommands) names.push_back(command.name);
  std::string text =
      fmt::format("there is no {} \"{}\"", word.starts_with('-') ? "flag" : "command", config::printable(word));
  if (word.ends_with(".wasm")) {
    text += fmt::format("; to serve that file: tandem run {}", config::printable(word));
  } else if (std::string_view close = config::closest_match(word, names); !close.empty()) {
    text += fmt::format("; did you mean \"{}\"?", close);
  }
  return text + " (tandem --help lists what there is)";
}

// The same binary under the name of daprd takes daprd's arguments.
bool is_called_daprd(std::string_view program) {
  return program.substr(program.find_last_of('/') + 1) == "daprd";  // npos + 1 is 0
}

int dispatch(std::span<const std::string> words) {
  if (words.empty()) {
    print_error("a command is missing (tandem --help lists them)");
    return 1;
  }
  const std::string& word = words.front();
  if (const Command* command = find(word)) return command->run(words.subspan(1));
  if (word == "-v" || word == "--version") return version_command({});
  if (word == "help" && words.size() > 1) {
    const std::vector<std::string> ask = {"--help"};
    if (const Command* command = find(words[1])) return command->run(ask);
    print_error(unknown(words[1]));
    return 1;
  }
  if (word == "-h" || word == "--help" || word == "help") {
    print(help());
    return 0;
  }
  print_error(unknown(word));
  return 1;
}

}  // namespace

int run(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    if (argc > 0 && is_called_daprd(argv[0])) return daprd_command(words);
    return dispatch(words);
  } catch (const std::exception& error) {
    print_error(fmt::format("stopped by an error that should not be: {}", error.what()));
    return 1;
  }
}

}  // namespace tandem::cli
