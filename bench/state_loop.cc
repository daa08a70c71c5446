// The state block called from C++, without guest or HTTP, and the bare SQLite loops of sqlite_loop.h.
//
// usage:
//   bench_state memory CALLS             a get of one key, as a guest's host function makes it
//   bench_state store FILE MS PRODUCERS  the component state.sqlite, each producer with one operation at a time
//   bench_state bare FILE MS PRODUCERS   the same file, driven by loops that know nothing but SQLite
//
// Prints lines of a name and a figure: nanoseconds a call for memory, operations a second for the others. FILE is
// created when it is not there.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "blocks/state/state_service.h"
#include "components/state/in_memory/in_memory_state_store.h"
#include "components/state/sqlite/sqlite_state_store.h"
#include "net/worker.h"
#include "sqlite_loop.h"

namespace tandem::bench {
namespace {

using Clock = std::chrono::steady_clock;
using components::InMemoryStateStore;
using components::SqliteStateStore;

[[noreturn]] void die(std::string_view what) {
  std::fprintf(stderr, "bench_state: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

void print(const char* name, double figure) { std::printf("%s %.1f\n", name, figure); }
void print(const char* name, const Rate& rate) { print(name, static_cast<double>(rate.operations) / rate.seconds); }

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [at, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || at != text.data() + text.size() || value == 0)
    die("not a number: " + std::string(text));
  return value;
}

double thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// Nanoseconds of this thread's CPU for one `call`: what else the machine does is not in it.
template <class Call>
double time_calls(std::uint64_t calls, Call call) {
  const double start = thread_cpu_ns();
  for (std::uint64_t i = 0; i < calls; ++i) call();
  return (thread_cpu_ns() - start) / static_cast<double>(calls);
}

void memory(std::uint64_t calls) {
  net::Workers workers(1);
  CallContext context{.app_id = "bench"};
  auto owned = std::make_unique<InMemoryStateStore>(workers[0]);
  InMemoryStateStore& store = *owned;
  state::StateService service("");
  if (!service.add({.name = "statestore", .store = std::move(owned)})) die("the store was refused");
  const state::Caller caller{context, workers[0]};
  bool stored = false;
  service.set(caller, "statestore", {.key = "bench", .value = share(value())},
              [&](Result<void> r) { stored = r.has_value(); });
  if (!stored) die("the value was not stored");

  std::uint64_t found = 0;
  const auto count = [&found](Result<state::GetResponse> result) {
    if (result && result->data != nullptr && result->data->size() == value().size()) ++found;
  };
  print("service_get_ns", time_calls(calls, [&] { service.get(caller, "statestore", {.key = "bench"}, count); }));
  print("store_get_ns", time_calls(calls, [&] { store.get(context, {.key = "bench||bench"}, count); }));
  if (found != 2 * calls) die("a get did not find its value");
  service.close(Clock::now());
}

std::unique_ptr<SqliteStateStore> open(const std::string& file) {
  auto store = SqliteStateStore::open({.connection_string = file}, [](const std::string& text) { die(text); });
  if (!store) die(store.error().message);
  return std::move(*store);
}

// One operation at a time from each of `producers` threads; `start(number, done)` begins one.
template <class T, class Start>
Rate closed_loop(std::chrono::milliseconds duration, int producers, Start start) {
  std::atomic<std::uint64_t> operations = 0;
  const auto began = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < producers; ++i) {
    threads.emplace_back([&, i] {
      std::binary_semaphore finished(0);
      for (std::uint64_t n = static_cast<std::uint64_t>(i) * 31; Clock::now() - began < duration; ++n) {
        start(n, Completion<T>([&finished](Result<T> result) {
                if (!result) die(result.error().message);
                finished.release();
              }));
        finished.acquire();
        operations.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return {operations.load(), std::chrono::duration<double>(Clock::now() - began).count()};
}

// Every key is there afterwards.
void warm_up(SqliteStateStore& store) {
  const CallContext context;
  std::latch left(static_cast<std::ptrdiff_t>(kWarmSets));
  for (std::uint64_t n = 0; n < kWarmSets; ++n) {
    store.set(context, {.key = key_of(n), .value = share(value())}, [&](Result<void> result) {
      if (!result) die(result.error().message);
      left.count_down();
    });
  }
  left.wait();
}

void close(SqliteStateStore& store) { store.close(Clock::now() + std::chrono::seconds(10)); }

void component(const std::string& file, std::chrono::milliseconds duration, int producers) {
  auto store = open(file);
  warm_up(*store);
  const CallContext context;
  const auto set = [&](std::uint64_t n, Completion<void> done) {
    store->set(context, {.key = key_of(n), .value = share(value())}, std::move(done));
  };
  const auto get = [&](std::uint64_t n, Completion<state::GetResponse> done) {
    const std::string key = key_of(n);
    store->get(context, {.key = key}, std::move(done));
  };
  print("set_1", closed_loop<void>(duration, 1, set));
  print("set_group", closed_loop<void>(duration, producers, set));
  print("get_1", closed_loop<state::GetResponse>(duration, 1, get));
  print("get_many", closed_loop<state::GetResponse>(duration, producers, get));
  close(*store);
}

void bare(const std::string& file, std::chrono::milliseconds duration, int producers) {
  // The component makes the tables.
  close(*open(file));
  BareFile bare(file);
  bare.warm_up();
  print("set_1", bare.sets(duration));
  print("set_group", bare.group_sets(duration, producers));
  print("get_1", bare.gets(duration));
}

int run(std::span<char*> arguments) {
  const std::string_view mode = arguments.empty() ? "" : arguments[0];
  if (mode == "memory" && arguments.size() == 2) {
    memory(number(arguments[1]));
  } else if ((mode == "store" || mode == "bare") && arguments.size() == 4) {
    const std::chrono::milliseconds duration(number(arguments[2]));
    const auto producers = static_cast<int>(std::min<std::uint64_t>(number(arguments[3]), 1024));
    (mode == "store" ? component : bare)(arguments[1], duration, producers);
  } else {
    std::fputs("usage: bench_state memory CALLS | store FILE MS PRODUCERS | bare FILE MS PRODUCERS\n", stderr);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace tandem::bench

int main(int argc, char** argv) { return tandem::bench::run({argv + 1, static_cast<std::size_t>(argc - 1)}); }
