#include "engine/runtime.h"

#include <utility>

namespace tandem::engine {
namespace {

Code code_of(int kind) {
  switch (kind) {
    case TDM_ERROR_INVALID: return Code::kInvalidArgument;
    case TDM_ERROR_LINK: return Code::kFailedPrecondition;
    case TDM_ERROR_LIMIT: return Code::kResourceExhausted;
    default: return Code::kInternal;
  }
}

void collect(void* user, bool is_import, tdm_str kind, tdm_str name) {
  static_cast<std::vector<Name>*>(user)->push_back({is_import ? Name::Direction::kImport : Name::Direction::kExport,
                                                    std::string(view(kind)), std::string(view(name))});
}

bool ask_name(void* policy, tdm_str name) { return static_cast<SocketPolicy*>(policy)->allow_name(view(name)); }

bool ask_address(void* policy, int transport, tdm_str name, tdm_str ip, uint16_t port) {
  return static_cast<SocketPolicy*>(policy)->allow_address(static_cast<Transport>(transport), view(name), view(ip),
                                                           port);
}

}  // namespace

Error take_error(tdm_error* error, std::string_view what) {
  std::string message(what);
  if (!message.empty()) message += ": ";
  message += view(tdm_error_get_message(error));
  const Code code = code_of(tdm_error_get_kind(error));
  tdm_error_delete(error);
  return make_error(code, std::move(message));
}

Result<std::unique_ptr<Runtime>> Runtime::make(const RuntimeOptions& options) {
  tdm_engine_config config{};
  config.max_instances = options.max_instances;
  config.max_memory_bytes = options.max_memory_bytes;
  config.max_total_memory_bytes = options.max_total_memory_bytes;
  config.max_table_elements = options.max_table_elements;
  config.max_stack_bytes = options.max_stack_bytes;
  config.keep_resident_bytes = options.keep_resident_bytes;
  config.tick_ms = options.tick_ms;
  config.cache_folder = span(options.cache_folder);
  tdm_engine* engine = nullptr;
  if (tdm_error* error = tdm_engine_new(&config, &engine)) return fail(take_error(error, ""));
  return std::unique_ptr<Runtime>(new Runtime(engine));
}

Result<std::unique_ptr<Module>> Module::load(Runtime& runtime, std::string_view bytes) {
  tdm_module* module = nullptr;
  if (tdm_error* error = tdm_module_load(runtime.raw(), span(bytes), &module)) return fail(take_error(error, ""));
  return std::unique_ptr<Module>(new Module(module));
}

std::vector<Name> Module::names() const {
  std::vector<Name> names;
  tdm_module_each_name(module_.get(), collect, &names);
  return names;
}

Result<std::unique_ptr<Linker>> Linker::make(Runtime& runtime) {
  tdm_linker* linker = nullptr;
  if (tdm_error* error = tdm_linker_new(runtime.raw(), &linker)) return fail(take_error(error, ""));
  return std::unique_ptr<Linker>(new Linker(linker));
}

std::vector<Name> Linker::missing(const Module& module) const {
  std::vector<Name> names;
  tdm_linker_each_missing(linker_.get(), module.raw(), collect, &names);
  return names;
}

Result<std::unique_ptr<Program>> Program::make(const Module& module, const Linker& linker, ProgramOptions options) {
  std::vector<tdm_header> env;
  for (const auto& [name, value] : options.env) env.push_back({span(name), span(value)});
  std::vector<tdm_str> args;
  for (const std::string& arg : options.args) args.push_back(span(arg));
  std::vector<tdm_mount> mounts;
  for (const Mount& mount : options.mounts) {
    mounts.push_back({span(mount.host_path), span(mount.guest_path), mount.access == Mount::Access::kReadWrite});
  }
  std::unique_ptr<Program> program(
      new Program(options.sockets ? std::make_unique<SocketPolicy>(std::move(*options.sockets)) : nullptr));
  tdm_program_config config{};
  config.env = env.data();
  config.env_count = env.size();
  config.args = args.data();
  config.args_count = args.size();
  config.mounts = mounts.data();
  config.mounts_count = mounts.size();
  config.max_memory_bytes = options.max_memory_bytes;
  config.max_table_elements = options.max_table_elements;
  config.allow_name = program->policy_ ? ask_name : nullptr;
  config.allow_address = program->policy_ ? ask_address : nullptr;
  config.policy = program->policy_.get();
  tdm_program* raw = nullptr;
  if (tdm_error* error = tdm_program_new(module.raw(), linker.raw(), &config, &raw)) return fail(take_error(error, ""));
  program->program_.reset(raw);
  return program;
}

}  // namespace tandem::engine
