// The entries of tandem_engine.h that make and drop errors, engines, modules, linkers and programs.
#include "objects.h"

#include <algorithm>

#include "contract.h"

namespace tandem::fake {

tdm_error* make_error(int kind, std::string message) { return new tdm_error{kind, std::move(message)}; }

Elsewhere::Elsewhere() : thread_([this] { loop(); }) {}

Elsewhere::~Elsewhere() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Elsewhere::run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void Elsewhere::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closing_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

namespace {

std::vector<std::string> missing_of(const tdm_linker& linker, const Script& script) {
  std::vector<std::string> missing;
  for (const std::string& name : script.needs) {
    if (std::ranges::find(linker.defined, name) == linker.defined.end()) missing.push_back(name);
  }
  return missing;
}

}  // namespace
}  // namespace tandem::fake

using namespace tandem::fake;

int tdm_error_get_kind(const tdm_error* error) { return error->kind; }
tdm_str tdm_error_get_message(const tdm_error* error) { return span(error->message); }
void tdm_error_delete(tdm_error* error) { delete error; }

tdm_error* tdm_engine_new(const tdm_engine_config* config, tdm_engine** out) {
  *out = new tdm_engine{std::make_shared<Engine>(config->max_instances)};
  return nullptr;
}
void tdm_engine_delete(tdm_engine* engine) { delete engine; }
tdm_str tdm_engine_version(void) { return span("fake"); }

tdm_error* tdm_module_load(tdm_engine* engine, tdm_str bytes, tdm_module** out) {
  Script script;
  if (std::string problem = parse_script(view(bytes), script); !problem.empty()) {
    return make_error(TDM_ERROR_INVALID, "not a script of the fake engine: " + problem);
  }
  *out = new tdm_module{engine->shared, std::move(script)};
  return nullptr;
}
void tdm_module_delete(tdm_module* module) { delete module; }
int tdm_module_get_kind(const tdm_module* module) { return module->script.kind; }
bool tdm_module_was_cached(const tdm_module*) { return false; }
tdm_str tdm_module_cache_note(const tdm_module*) { return span(""); }
void tdm_module_each_name(const tdm_module* module, tdm_name_fn each, void* user) {
  for (const std::string& name : module->script.needs) each(user, true, span("function"), span(name));
  for (const std::string& name : module->script.exports) each(user, false, span("interface"), span(name));
  if (module->script.kind == TDM_MODULE_HTTP) {
    each(user, false, span("interface"), span("wasi:http/incoming-handler@0.2.0"));
  } else {
    each(user, false, span("function"), span("_start"));
  }
}

tdm_error* tdm_linker_new(tdm_engine* engine, tdm_linker** out) {
  *out = new tdm_linker{engine->shared, {}, {}};
  return nullptr;
}
void tdm_linker_delete(tdm_linker* linker) { delete linker; }
void tdm_linker_each_missing(const tdm_linker* linker, const tdm_module* module, tdm_name_fn each, void* user) {
  for (const std::string& name : missing_of(*linker, module->script)) each(user, true, span("function"), span(name));
}
tdm_error* tdm_linker_define(tdm_linker* linker, tdm_str module, tdm_str name, tdm_str, tdm_str, tdm_core_fn, void*) {
  linker->defined.push_back(std::string(view(module)) + "." + std::string(view(name)));
  return nullptr;
}

tdm_error* tdm_program_new(const tdm_module* module, const tdm_linker* linker, const tdm_program_config* config,
                           tdm_program** out) {
  if (const auto missing = missing_of(*linker, module->script); !missing.empty()) {
    return make_error(TDM_ERROR_LINK, "the import " + missing.front() + " is missing");
  }
  auto program = std::make_shared<Program>();
  program->engine = module->engine;
  program->script = module->script;
  program->tables = linker->tables;
  program->max_memory_bytes = config->max_memory_bytes;
  *out = new tdm_program{std::move(program)};
  return nullptr;
}
void tdm_program_delete(tdm_program* program) { delete program; }
