// Runtime, Module, Program and Instance against small modules written as text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "engine/instance.h"

namespace tandem::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

// Copies stdin to stdout, 64 bytes at a time.
constexpr std::string_view kCopy = R"((module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $again
      (i32.store (i32.const 0) (i32.const 100))
      (i32.store (i32.const 4) (i32.const 64))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8))
        (then
          (i32.store (i32.const 4) (i32.load (i32.const 8)))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
          (br $again))))))
)";

constexpr std::string_view kExit = R"((module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 7)))))";

constexpr std::string_view kSpin = R"((module
  (memory (export "memory") 1)
  (func (export "_start") (loop $again (br $again)))))";

constexpr std::string_view kCore = R"((module
  (import "host" "shout" (func $shout (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 16) "hello")
  (func (export "twice") (param i64) (result i64) (i64.add (local.get 0) (local.get 0)))
  (func (export "greet") (result i64) (call $shout (i32.const 16) (i32.const 5)))
  (func (export "trap") unreachable)))";

// Runs what is posted when asked to.
class Loop final : public Executor {
 public:
  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  bool run_one() {
    Task task;
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.empty()) return false;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<Task> tasks_;
};

// Notes everything that an instance tells.
class Recorder final : public InstanceEvents {
 public:
  void on_wake() override { ++wakes; }
  void on_log(LogStream, std::string_view line) override { logs.emplace_back(line); }
  void on_answer(int status, Fields, std::string_view body, AnswerPart part) override {
    answer_status = status;
    answer = body;
    whole = part == AnswerPart::kWhole;
  }
  void on_answer_error(std::string_view text) override { error = text; }
  void on_answer_body(std::string_view piece) override { answer += piece; }
  void on_answer_end(Fields) override { whole = true; }
  void on_answer_cut() override { cut = true; }
  void on_want_body() override { ++wants; }
  void on_done(Outcome outcome, bool was_answered, std::string_view text) override {
    done = true;
    failed = outcome == Outcome::kFailed;
    answered = was_answered;
    error = text;
  }
  void on_http_send(tdm_exchange*, const tdm_request&, const tdm_timeouts&) override {}
  void on_http_body(tdm_exchange*, std::string_view) override {}
  void on_http_body_end(tdm_exchange*, bool, Fields) override {}
  void on_http_want_body(tdm_exchange*) override {}
  void on_http_cancel(tdm_exchange*) override {}

  int wakes = 0, wants = 0, answer_status = 0;
  bool whole = false, cut = false, done = false, failed = false, answered = false;
  std::string answer, error;
  std::vector<std::string> logs;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/tandem_engine_test_XXXXXX";
    folder_ = mkdtemp(pattern);
    // A guest that computes is not interrupted: what one poll does is then the same on a busy machine.
    make_runtime(60'000);
  }
  void TearDown() override {
    runtime_.reset();
    fs::remove_all(folder_);
  }

  void make_runtime(std::uint32_t tick_ms) {
    RuntimeOptions options;
    options.max_instances = 8;
    options.tick_ms = tick_ms;
    options.cache_folder = folder_ + "/modules";
    auto runtime = Runtime::make(options);
    ASSERT_TRUE(runtime) << runtime.error().message;
    runtime_ = std::move(*runtime);
  }

  std::unique_ptr<Module> load(std::string_view text) {
    auto module = Module::load(*runtime_, text);
    EXPECT_TRUE(module) << module.error().message;
    return module ? std::move(*module) : nullptr;
  }

  std::unique_ptr<Program> link(const Module& module, ProgramOptions options = {}) {
    auto linker = Linker::make(*runtime_);
    EXPECT_TRUE(linker);
    auto program = Program::make(module, **linker, std::move(options));
    EXPECT_TRUE(program) << program.error().message;
    return program ? std::move(*program) : nullptr;
  }

  std::unique_ptr<Instance> start(const Program& program) {
    auto instance = Instance::make(program, events_, loop_);
    EXPECT_TRUE(instance) << instance.error().message;
    return std::move(*instance);
  }

  std::string folder_;
  std::unique_ptr<Runtime> runtime_;
  Loop loop_;
  Recorder events_;
};

TEST_F(EngineTest, A_command_copies_its_input_to_its_output) {
  const auto module = load(kCopy);
  EXPECT_EQ(module->kind(), ModuleKind::kP1Command);
  const auto program = link(*module);
  const auto instance = start(*program);
  const std::string input(1000, 'x');
  tdm_request request{};
  request.body = span(input);
  request.body_whole = true;
  instance->start(request);
  instance->poll();
  EXPECT_TRUE(events_.done);
  EXPECT_FALSE(events_.failed) << events_.error;
  EXPECT_TRUE(events_.whole);
  EXPECT_EQ(events_.answer, input);
  EXPECT_EQ(instance->poll(), PollState::kDead);
}

TEST_F(EngineTest, A_command_asks_for_input_that_is_not_there_yet) {
  const auto program = link(*load(kCopy));
  const auto instance = start(*program);
  tdm_request request{};
  instance->start(request);
  EXPECT_EQ(instance->poll(), PollState::kPending);
  EXPECT_EQ(events_.wants, 1);
  EXPECT_EQ(events_.answer_status, 200);
  instance->drained();  // the head, which left without a body
  instance->body("one");
  EXPECT_TRUE(loop_.run_one());
  EXPECT_EQ(events_.wakes, 1);
  EXPECT_EQ(instance->poll(), PollState::kPending);
  EXPECT_EQ(events_.answer, "one");
  EXPECT_FALSE(events_.whole);
  EXPECT_EQ(events_.wants, 2);
  instance->drained();
  instance->body("two");
  instance->poll();
  instance->body_complete({});
  instance->poll();
  EXPECT_TRUE(events_.done);
  EXPECT_EQ(events_.answer, "onetwo");
  EXPECT_TRUE(events_.whole);
}

TEST_F(EngineTest, An_exit_with_a_status_is_a_failure_that_names_it) {
  const auto program = link(*load(kExit));
  const auto instance = start(*program);
  tdm_request request{};
  request.body_whole = true;
  instance->start(request);
  EXPECT_EQ(instance->poll(), PollState::kDead);
  EXPECT_TRUE(events_.failed);
  EXPECT_THAT(events_.error, HasSubstr("status 7"));
}

TEST_F(EngineTest, A_spinning_guest_gives_way_and_can_be_deleted) {
  make_runtime(1);
  const auto program = link(*load(kSpin));
  auto instance = start(*program);
  tdm_request request{};
  request.body_whole = true;
  instance->start(request);
  EXPECT_EQ(instance->poll(), PollState::kPending);
  EXPECT_TRUE(loop_.run_one());
  EXPECT_EQ(events_.wakes, 1);
  EXPECT_EQ(instance->poll(), PollState::kPending);
  instance.reset();
  // Its waker may still be on the way: it finds nobody.
  while (loop_.run_one()) {
  }
  EXPECT_FALSE(events_.done);
}

TEST_F(EngineTest, A_core_module_calls_the_host_over_its_memory) {
  const auto module = load(kCore);
  EXPECT_EQ(module->kind(), ModuleKind::kCore);
  auto linker = Linker::make(*runtime_);
  std::string heard;
  const auto shout = [](void* data, void*, const tdm_memory* memory, const uint64_t* arguments, uint64_t* results) {
    if (arguments[0] + arguments[1] > memory->len) return false;
    static_cast<std::string*>(data)->assign(reinterpret_cast<const char*>(memory->ptr) + arguments[0], arguments[1]);
    results[0] = 1ull << 40;
    return true;
  };
  ASSERT_EQ(tdm_linker_define((*linker)->raw(), span("host"), span("shout"), span("ii"), span("I"), shout, &heard),
            nullptr);
  auto program = Program::make(*module, **linker, {});
  ASSERT_TRUE(program) << program.error().message;
  const auto instance = start(**program);

  const std::uint64_t twenty_one = 21;
  instance->call("twice", std::span(&twenty_one, 1));
  EXPECT_EQ(instance->poll(), PollState::kIdle);
  EXPECT_EQ(instance->results(), std::vector<std::uint64_t>{42});
  instance->call("greet", {});
  EXPECT_EQ(instance->poll(), PollState::kIdle);
  EXPECT_EQ(heard, "hello");
  EXPECT_EQ(instance->results(), std::vector<std::uint64_t>{1ull << 40});
  instance->call("trap", {});
  EXPECT_EQ(instance->poll(), PollState::kDead);
  EXPECT_TRUE(events_.failed);
  EXPECT_THAT(events_.error, HasSubstr("unreachable"));
}

TEST_F(EngineTest, What_cannot_run_is_refused_by_name) {
  const auto garbage = Module::load(*runtime_,
                                    "\x7f"
                                    "ELF");
  ASSERT_FALSE(garbage);
  EXPECT_EQ(garbage.error().code, Code::kInvalidArgument);
  const auto broken = Module::load(*runtime_, std::string("\0asm\1\0\0\0\xff\xff", 10));
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, Code::kInvalidArgument);

  const auto module = load(kCore);
  auto linker = Linker::make(*runtime_);
  const auto missing = (*linker)->missing(*module);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].name, "host.shout");
  const auto program = Program::make(*module, **linker, {});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(program.error().message, HasSubstr("host.shout"));
}

TEST_F(EngineTest, Slots_are_bounded_and_come_back) {
  const auto module = load(kCopy);
  const auto program = link(*module);
  std::vector<std::unique_ptr<Instance>> instances;
  tdm_request request{};
  for (int i = 0; i < 8; ++i) {
    instances.push_back(start(*program));
    instances.back()->start(request);
    ASSERT_EQ(instances.back()->poll(), PollState::kPending) << i << events_.error;
  }
  const auto instance = start(*program);
  instance->start(request);
  for (int round = 0; round < 100 && !events_.done; ++round) instance->poll();
  EXPECT_TRUE(events_.failed);
  EXPECT_THAT(events_.error, HasSubstr("slot"));
  instances.clear();
  events_ = Recorder();
  const auto next = start(*program);
  next->start(request);
  EXPECT_EQ(next->poll(), PollState::kPending) << events_.error;
}

TEST_F(EngineTest, The_cache_is_used_checked_and_never_fatal) {
  EXPECT_FALSE(load(kCopy)->was_cached());
  EXPECT_TRUE(load(kCopy)->was_cached());

  // Damaged later: compiled anew, and mended.
  for (const auto& file : fs::directory_iterator(folder_ + "/modules")) {
    if (file.path().extension() == ".cwasm") fs::resize_file(file.path(), fs::file_size(file.path()) / 2);
  }
  EXPECT_FALSE(load(kCopy)->was_cached());
  EXPECT_TRUE(load(kCopy)->was_cached());
  for (const auto& file : fs::directory_iterator(folder_ + "/modules")) {
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(10);
    bytes.put('\xff');
  }
  EXPECT_FALSE(load(kCopy)->was_cached());

  // A folder that others can write to is not trusted.
  ASSERT_EQ(chmod((folder_ + "/modules").c_str(), 0777), 0);
  const auto untrusted = load(kCopy);
  EXPECT_FALSE(untrusted->was_cached());
  EXPECT_THAT(untrusted->cache_note(), HasSubstr("chmod 700"));

  // A file where the folder should be.
  fs::remove_all(folder_ + "/modules");
  std::ofstream(folder_ + "/modules") << "not a folder";
  const auto blocked = load(kCopy);
  EXPECT_FALSE(blocked->was_cached());
  EXPECT_THAT(blocked->cache_note(), ::testing::Not(IsEmpty()));
}

TEST_F(EngineTest, A_missing_mount_is_an_error_at_once) {
  auto linker = Linker::make(*runtime_);
  ProgramOptions options;
  options.mounts.push_back({folder_ + "/nowhere", "/data"});
  const auto program = Program::make(*load(kCopy), **linker, options);
  ASSERT_FALSE(program);
  EXPECT_THAT(program.error().message, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace tandem::engine
