// `tandem version`: the versions of Tandem and of its engine, and how this binary was built.

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "base/version.h"
#include "cli/command.h"
#include "cli/flag_set.h"
#include "engine/runtime.h"

namespace tandem::cli {
namespace {

constexpr auto kFlags = std::to_array<Flag>({{FlagKind::kSwitch, "--json", "", "as JSON", "Flags"}});

constexpr CommandText kText = {
    .usage = "tandem version [FLAGS]",
    .summary = "Prints the versions of Tandem and of Wasmtime, and how this binary was built.",
    .closing = "Examples:\n  tandem version\n  tandem version --json\n",
};

constexpr std::string_view build_type() {
#if __has_feature(address_sanitizer)
  return "address sanitizer";
#elif __has_feature(thread_sanitizer)
  return "thread sanitizer";
#elif defined(NDEBUG)
  return "release";
#else
  return "debug";
#endif
}

}  // namespace

int version_command(Arguments arguments) {
  FlagSet flags(kText, kFlags);
  if (const std::optional<int> status = parse_or_end(flags, arguments)) return *status;
  if (!flags.operands().empty()) {
    print_error("tandem version takes flags only (tandem version --help)");
    return 1;
  }
  const std::string_view engine = engine::Runtime::version();
  if (flags.is_on("--json")) {
    print(fmt::format("{{\"tandem\":\"{}\",\"wasmtime\":\"{}\",\"build\":\"{}\"}}\n", kVersion, engine, build_type()));
  } else {
    print(fmt::format("tandem {}\nwasmtime {}\nbuild {}\n", kVersion, engine, build_type()));
  }
  return 0;
}

}  // namespace tandem::cli
