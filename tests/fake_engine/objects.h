// Engine, module, linker and program of the fake engine. Used from any thread; immutable once made, but for the linker.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "script.h"
#include "tandem_wit.h"

struct tdm_error {
  int kind;
  std::string message;
};

namespace tandem::fake {

inline std::string_view view(tdm_str text) { return {text.ptr, text.len}; }
inline tdm_str span(std::string_view text) { return {text.data(), text.size()}; }

tdm_error* make_error(int kind, std::string message);

// A thread that is no worker: where wakers are fired from.
class Elsewhere final {
 public:
  Elsewhere();
  // Runs what is left, then ends.
  ~Elsewhere();
  void run(std::function<void()> task);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool closing_ = false;
  std::thread thread_;
};

struct Engine {
  explicit Engine(std::uint32_t slots) : slots_left(slots) {}
  std::atomic<std::uint32_t> slots_left;
  std::atomic<std::uint64_t> next_instance{1};
  Elsewhere elsewhere;
};

// What programs can call of tandem_wit.h.
struct HostTables {
  std::optional<tdm_state_vtable> state;
  std::optional<tdm_pubsub_vtable> pubsub;
  std::optional<tdm_invoke_vtable> invoke;
  bool handlers = false;
  bool bindings = false;
  bool secrets = false;
  bool configuration = false;
  bool messaging = false;
  bool keyvalue = false;
  bool config = false;
};

struct Program {
  std::shared_ptr<Engine> engine;
  Script script;
  HostTables tables;
  std::uint64_t max_memory_bytes = 0;
};

}  // namespace tandem::fake

struct tdm_engine {
  std::shared_ptr<tandem::fake::Engine> shared;
};

struct tdm_module {
  std::shared_ptr<tandem::fake::Engine> engine;
  tandem::fake::Script script;
};

struct tdm_linker {
  std::shared_ptr<tandem::fake::Engine> engine;
  tandem::fake::HostTables tables;
  std::vector<std::string> defined;  // "module.name"
};

struct tdm_program {
  std::shared_ptr<const tandem::fake::Program> shared;
};
