#include "cli/command.h"

#include <algorithm>
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
  std::string text;
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\n'), message.size());
    if (end > 0) text.append("tandem: ").append(message.substr(0, end)).append("\n");
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace tandem::cli
