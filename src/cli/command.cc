#include "cli/command.h"

#include <cstdio>
#include <cstdlib>

namespace tandem::cli {

Environment process_environment() {
  return [](std::string_view name) -> std::string {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? "" : value;
  };
}

void print_error(std::string_view message) {
  std::string line = "tandem: ";
  line += message;
  if (!line.ends_with('\n')) line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace tandem::cli
