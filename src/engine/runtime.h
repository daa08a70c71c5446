// The C++ face of the engine's C ABI (engine/include/tandem_engine.h): Runtime -> Module -> Program -> Instance.
//
// Runtime, Module, Linker and Program are made at start and used from any thread; each keeps what it needs of the
// others alive. An Instance belongs to one worker. Everything that fails returns a Result with the engine's own words:
// kInvalidArgument for what is not a module that can run, kFailedPrecondition for imports that are missing,
// kResourceExhausted for limits, kInternal for the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tandem_engine.h"

namespace tandem::engine {

inline std::string_view view(tdm_str s) { return {s.ptr, s.len}; }
inline tdm_str span(std::string_view s) { return {s.data(), s.size()}; }

// Takes `error` over. `what` goes before the engine's message.
Error take_error(tdm_error* error, std::string_view what);

struct RuntimeOptions {
  std::uint32_t max_instances = 1000;              // alive at once in the process
  std::uint64_t max_memory_bytes = 4ull << 30;     // of one linear memory; programs have their own, lower limit
  std::uint64_t max_total_memory_bytes = 0;        // of all linear memories together; 0: no bound
  std::uint64_t max_table_elements = 128 * 1024;   // of one table
  std::uint64_t max_stack_bytes = 1024 * 1024;     // of a guest
  std::uint64_t keep_resident_bytes = 256 * 1024;  // of a slot, cleared rather than given back
  std::uint32_t tick_ms = 10;                      // a computing guest gives way this often
  std::string cache_folder;                        // compiled modules; empty: none
};

class Runtime final {
 public:
  static Result<std::unique_ptr<Runtime>> make(const RuntimeOptions& options);
  tdm_engine* raw() const { return engine_.get(); }
  static std::string_view version() { return view(tdm_engine_version()); }

 private:
  struct Delete {
    void operator()(tdm_engine* engine) const { tdm_engine_delete(engine); }
  };
  explicit Runtime(tdm_engine* engine) : engine_(engine) {}
  std::unique_ptr<tdm_engine, Delete> engine_;
};

enum class ModuleKind { kHttp = 1, kCommand = 2, kP1Command = 3, kLibrary = 4, kCore = 5 };

// An import or an export.
struct Name {
  enum class Direction { kImport, kExport };
  Direction direction;
  std::string kind;  // "interface", "function", "memory", …
  std::string name;
};

class Module final {
 public:
  // Compiles, for seconds when the module is large, or maps it from the cache. On a thread that may block.
  static Result<std::unique_ptr<Module>> load(Runtime& runtime, std::string_view bytes);
  ModuleKind kind() const { return static_cast<ModuleKind>(tdm_module_get_kind(module_.get())); }
  bool was_cached() const { return tdm_module_was_cached(module_.get()); }
  // Empty, or why the cache was of no use.
  std::string cache_note() const { return std::string(view(tdm_module_cache_note(module_.get()))); }
  std::vector<Name> names() const;
  const tdm_module* raw() const { return module_.get(); }

 private:
  struct Delete {
    void operator()(tdm_module* module) const { tdm_module_delete(module); }
  };
  explicit Module(tdm_module* module) : module_(module) {}
  std::unique_ptr<tdm_module, Delete> module_;
};

// The host functions that modules may import. WASI and wasi:http are there; host/ adds Dapr's interfaces through raw().
class Linker final {
 public:
  static Result<std::unique_ptr<Linker>> make(Runtime& runtime);
  std::vector<Name> missing(const Module& module) const;
  tdm_linker* raw() const { return linker_.get(); }

 private:
  struct Delete {
    void operator()(tdm_linker* linker) const { tdm_linker_delete(linker); }
  };
  explicit Linker(tdm_linker* linker) : linker_(linker) {}
  std::unique_ptr<tdm_linker, Delete> linker_;
};

struct Mount {
  std::string host_path;
  std::string guest_path;
  enum class Access { kReadOnly, kReadWrite } access = Access::kReadOnly;
};

enum class Transport { kTcp = TDM_TRANSPORT_TCP, kUdp = TDM_TRANSPORT_UDP };

// What a guest's sockets reach; any thread.
struct SocketPolicy {
  // Whether a name may be looked up.
  std::function<bool(std::string_view name)> allow_name;
  // Whether a socket may speak to an address. `name`: one whose lookup led there, or empty; one yes is enough.
  std::function<bool(Transport transport, std::string_view name, std::string_view ip, std::uint16_t port)>
      allow_address;
};

// What one app grants its guest.
struct ProgramOptions {
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> args;
  std::vector<Mount> mounts;
  std::uint64_t max_memory_bytes = 256ull << 20;  // all memories of an instance together
  std::uint64_t max_table_elements = 128 * 1024;  // all tables of an instance together
  std::optional<SocketPolicy> sockets;            // absent: no sockets
};

class Program final {
 public:
  static Result<std::unique_ptr<Program>> make(const Module& module, const Linker& linker, ProgramOptions options);
  tdm_program* raw() const { return program_.get(); }

 private:
  struct Delete {
    void operator()(tdm_program* program) const { tdm_program_delete(program); }
  };
  explicit Program(std::unique_ptr<SocketPolicy> policy) : policy_(std::move(policy)) {}
  std::unique_ptr<SocketPolicy> policy_;
  std::unique_ptr<tdm_program, Delete> program_;
};

}  // namespace tandem::engine
