// Fuzzes the engine's C ABI: each byte is a call that its header allows at that moment, in any order, on a few
// instances of small modules; what is left of the input is loaded as a module.
//
// Nothing crashes, and every call ends with one done: after it, and only then, the instance is idle or dead.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/instance.h"

namespace {

using namespace tandem;
using namespace tandem::engine;

void require(bool holds) {
  if (!holds) std::abort();
}

// What a result holds; an error ends the run with its text.
template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
  }
  return std::move(*result);
}

constexpr std::array<std::string_view, 4> kModules{
    // Copies stdin to stdout.
    R"((module
      (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (loop $again
          (i32.store (i32.const 0) (i32.const 100))
          (i32.store (i32.const 4) (i32.const 4096))
          (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
          (if (i32.load (i32.const 8))
            (then
              (i32.store (i32.const 4) (i32.load (i32.const 8)))
              (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
              (br $again))))))",
    // Writes for ever.
    R"((module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (loop $again
          (i32.store (i32.const 0) (i32.const 100))
          (i32.store (i32.const 4) (i32.const 5000))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
          (br $again)))))",
    R"((module (memory (export "memory") 1) (func (export "_start") (loop $again (br $again)))))",
    R"((module (memory (export "memory") 1)
      (func (export "twice") (param i64) (result i64) (i64.add (local.get 0) (local.get 0)))
      (func (export "grow") (param i64) (result i64)
        (i64.extend_i32_s (memory.grow (i32.wrap_i64 (local.get 0)))))
      (func (export "trap") (param i64) (result i64) unreachable)))",
};
constexpr std::size_t kCore = 3;

class Loop final : public Executor {
 public:
  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  void run() {
    std::deque<Task> now;
    {
      const std::lock_guard lock(mutex_);
      now.swap(tasks_);
    }
    for (Task& task : now) task();
  }

 private:
  std::mutex mutex_;
  std::deque<Task> tasks_;
};

// An instance, and what may be called on it now.
class Guest final : public InstanceEvents {
 public:
  Guest(const Program& program, bool core, Loop& loop) : core_(core) {
    auto made = Instance::make(program, *this, loop);
    if (made) instance_ = std::move(*made);
  }

  bool made() const { return instance_ != nullptr; }

  void start(std::string_view body, bool whole) {
    if (running_ || dead_) return;
    running_ = true;
    in_flight_ = wants_ = answered_ = over_ = false;
    if (core_) {
      const std::uint64_t argument = body.size();
      static constexpr std::array<std::string_view, 4> kNames{"twice", "grow", "trap", "nobody"};
      return instance_->call(kNames[body.size() % kNames.size()], std::span(&argument, 1));
    }
    body_ = body;
    request_ = {};
    request_.method = span("POST");
    request_.target = span("/");
    request_.body = span(body_);
    request_.body_whole = whole;
    instance_->start(request_);
  }
  void poll() {
    const PollState state = instance_->poll();
    require(state != PollState::kIdle || !running_);
    if (state == PollState::kDead) {
      require(!running_);
      dead_ = true;
    }
  }
  void body(std::string_view piece) {
    if (running_ && std::exchange(wants_, false)) instance_->body(piece);
  }
  void body_end(bool complete) {
    if (!running_ || !std::exchange(wants_, false)) return;
    complete ? instance_->body_complete({}) : instance_->body_broken();
  }
  void drained() {
    if (running_ && std::exchange(in_flight_, false)) instance_->drained();
  }
  void discard() {
    if (running_ && answered_) instance_->discard_answer();
  }
  void look() const {
    instance_->memory_bytes();
    instance_->resource_count();
    if (core_) instance_->results();
  }

  void on_wake() override { poll(); }
  void on_log(LogStream, std::string_view) override {}
  void on_answer(int status, Fields, std::string_view, AnswerPart part) override {
    require(running_ && !answered_ && status == 200);
    answered_ = true;
    over_ = part == AnswerPart::kWhole;
    in_flight_ = !over_;
  }
  void on_answer_error(std::string_view) override { std::abort(); }
  void on_answer_body(std::string_view piece) override {
    require(running_ && answered_ && !over_ && !piece.empty());
    in_flight_ = true;
  }
  void on_answer_end(Fields) override {
    require(running_ && answered_ && !over_);
    over_ = true;
  }
  void on_answer_cut() override {
    require(running_ && answered_ && !over_);
    over_ = true;
  }
  void on_want_body() override {
    require(running_ && !wants_);
    wants_ = true;
  }
  void on_done(Outcome outcome, bool answered, std::string_view error) override {
    require(running_);
    require(answered == answered_ || core_);
    require(!answered_ || over_);
    require((outcome == Outcome::kFailed) == !error.empty());
    running_ = false;
  }
  void on_http_send(tdm_exchange*, const tdm_request&, const tdm_timeouts&) override { std::abort(); }
  void on_http_body(tdm_exchange*, std::string_view) override { std::abort(); }
  void on_http_body_end(tdm_exchange*, bool, Fields) override { std::abort(); }
  void on_http_want_body(tdm_exchange*) override { std::abort(); }
  void on_http_cancel(tdm_exchange*) override { std::abort(); }

 private:
  const bool core_;
  std::unique_ptr<Instance> instance_;
  tdm_request request_{};
  std::string body_;
  bool running_ = false, dead_ = false, wants_ = false, in_flight_ = false, answered_ = false, over_ = false;
};

// Made once: compiling is what costs.
struct Programs {
  Programs() {
    RuntimeOptions options;
    options.max_instances = 4;
    options.max_memory_bytes = 16 << 20;
    options.tick_ms = 1;
    runtime = must(Runtime::make(options));
    for (const std::string_view text : kModules) {
      const auto module = must(Module::load(*runtime, text));
      const auto linker = must(Linker::make(*runtime));
      programs.push_back(must(Program::make(*module, *linker, {})));
    }
  }
  std::unique_ptr<Runtime> runtime;
  std::vector<std::unique_ptr<Program>> programs;
};

void load_garbage(Runtime& runtime, std::string_view bytes) {
  const auto module = Module::load(runtime, bytes);
  if (!module) {
    require(!module.error().message.empty());
    return;
  }
  (*module)->names();
  const auto linker = must(Linker::make(runtime));
  linker->missing(**module);
  ProgramOptions options;
  options.max_memory_bytes = 1 << 20;
  const auto program = Program::make(**module, *linker, std::move(options));
  require(program.has_value() || !program.error().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Programs* const shared = new Programs();
  static Loop* const loop = new Loop();
  static const std::string bytes(100'000, 'x');
  std::array<std::unique_ptr<Guest>, 5> guests;
  const std::size_t calls = std::min<std::size_t>(size, 64);
  for (std::size_t i = 0; i < calls; ++i) {
    std::unique_ptr<Guest>& guest = guests[data[i] / 16 % guests.size()];
    const std::size_t amount = i + 1 < calls ? data[i + 1] * data[i + 1] : 0u;
    const std::string_view piece = std::string_view(bytes).substr(0, amount);
    const unsigned action = data[i] % 16;
    if (action < 4) {
      guest = std::make_unique<Guest>(*shared->programs[action], action == kCore, *loop);
      if (!guest->made()) guest.reset();
      continue;
    }
    if (action == 4) loop->run();
    if (action == 5) guest.reset();
    if (!guest) continue;
    switch (action) {
      case 6: guest->start(piece, true); break;
      case 7: guest->start(piece, false); break;
      case 8:
      case 9: guest->poll(); break;
      case 10: guest->body(piece.substr(0, std::max<std::size_t>(piece.size(), 1))); break;
      case 11: guest->body_end(true); break;
      case 12: guest->body_end(false); break;
      case 13: guest->drained(); break;
      case 14: guest->discard(); break;
      case 15: guest->look(); break;
      default: break;
    }
  }
  for (auto& guest : guests) guest.reset();
  loop->run();
  if (size > calls) load_garbage(*shared->runtime, {reinterpret_cast<const char*>(data) + calls, size - calls});
  return 0;
}
