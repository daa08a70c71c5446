// `tandem inspect`: loads a module as `tandem run` does, without starting it, and says what it is.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "cli/cache_folder.h"
#include "cli/command.h"
#include "cli/flag_set.h"
#include "cli/inspection.h"
#include "cli/module_file.h"
#include "config/text.h"
#include "engine/runtime.h"
#include "host/host_interfaces.h"

namespace tandem::cli {
namespace {

constexpr std::uint64_t kMostModuleBytes = 1ull << 30;

constexpr auto kFlags = std::to_array<Flag>({
    {FlagKind::kSwitch, "--json", "", "as JSON", "Flags"},
    kCacheFolderFlag,
    kNoCacheFlag,
});

constexpr CommandText kText = {
    .usage = "tandem inspect [FLAGS] app.wasm",
    .summary =
        "Says what a .wasm is, what it exports and imports, what of that Tandem has, and which blueprint it is:\n"
        "1 pure function, 2 HTTP microservice, 3 embedded SDK. The exit status is 0 when it can run here, else 1.",
    .closing = "Examples:\n  tandem inspect app.wasm\n  tandem inspect app.wasm --json\n",
};

Result<std::string> read_module(const std::string& path) {
  const auto failed = [&](int code) {
    return fail(Code::kNotFound, fmt::format("cannot read {}: {}", config::printable(path), std::strerror(code)));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed(errno);
  struct stat info{};
  std::string bytes;
  int problem = ::fstat(fd, &info) == 0 ? 0 : errno;
  if (problem == 0 && static_cast<std::uint64_t>(info.st_size) > kMostModuleBytes) problem = EFBIG;
  if (problem == 0) bytes.resize(static_cast<std::size_t>(info.st_size));
  std::size_t have = 0;
  while (problem == 0 && have < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (got > 0) {
      have += static_cast<std::size_t>(got);
    } else if (got == 0) {
      bytes.resize(have);
    } else if (errno != EINTR) {
      problem = errno;
    }
  }
  ::close(fd);
  if (problem != 0) return failed(problem);
  return bytes;
}

Result<ModuleFacts> look_at(const std::string& path, std::string cache_folder) {
  if (Status good = check_module_file(path); !good) return fail(good.error());
  auto bytes = read_module(path);
  if (!bytes) return fail(bytes.error());
  engine::RuntimeOptions options;
  options.max_instances = 1;
  options.cache_folder = std::move(cache_folder);
  auto runtime = engine::Runtime::make(options);
  if (!runtime) return fail(runtime.error());
  auto module = engine::Module::load(**runtime, *bytes);
  if (!module) {
    return fail(module.error().code, fmt::format("{}: {}", config::printable(path), module.error().message));
  }
  auto linker = engine::Linker::make(**runtime);
  if (!linker) return fail(linker.error());
  if (Status linked = host::link_host_interfaces((*linker)->raw(), {}); !linked) return fail(linked.error());
  ModuleFacts facts;
  facts.file = path;
  facts.bytes = bytes->size();
  facts.kind = (*module)->kind();
  facts.names = (*module)->names();
  facts.missing = (*linker)->missing(**module);
  if (facts.missing.empty() && can_run(facts)) {
    if (auto program = engine::Program::make(**module, **linker, {}); !program) {
      facts.link_error = program.error().message;
    }
  }
  return facts;
}

}  // namespace

int inspect_command(Arguments arguments) {
  FlagSet flags(kText, kFlags);
  if (const std::optional<int> status = parse_or_end(flags, arguments)) return *status;
  if (flags.operands().size() != 1) {
    print_error("tandem inspect takes the path of one .wasm (tandem inspect --help)");
    return 1;
  }
  auto facts = look_at(flags.operands().front(), choose_cache_folder(flags, process_environment()).path);
  if (!facts) {
    print_error(facts.error().message);
    return 1;
  }
  const Inspection inspection = inspect(*facts);
  print(flags.is_on("--json") ? to_json(inspection) : to_text(inspection));
  return inspection.runs ? 0 : 1;
}

}  // namespace tandem::cli
