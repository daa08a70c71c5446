// One running copy of a program, on one worker.
//
// The owner makes it with InstanceEvents, gives it a call with start(), and polls it when asked to. Everything happens
// on the owner's worker; only the waker comes from elsewhere, and it posts to that worker. See
// engine/include/tandem_engine.h for what each event means and what may be called inside it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "engine/runtime.h"

namespace tandem::engine {

using Fields = std::span<const tdm_header>;

enum class Outcome { kReturned = TDM_RETURNED, kFailed = TDM_FAILED };
enum class LogStream { kStdout = TDM_STDOUT, kStderr = TDM_STDERR };
enum class AnswerPart { kWhole, kFirst };

// What an instance tells its owner; the meaning of each is tdm_instance_events'. Views live during the call. Must not
// throw.
class InstanceEvents {
 public:
  virtual ~InstanceEvents() = default;
  // The instance wants to be polled; on its worker, outside of any poll.
  virtual void on_wake() = 0;
  virtual void on_log(LogStream stream, std::string_view line) = 0;
  virtual void on_answer(int status, Fields headers, std::string_view body, AnswerPart part) = 0;
  virtual void on_answer_error(std::string_view error) = 0;
  virtual void on_answer_body(std::string_view piece) = 0;
  virtual void on_answer_end(Fields trailers) = 0;
  virtual void on_answer_cut() = 0;
  virtual void on_want_body() = 0;
  // `answered`: the client has been given an answer. `error` is empty unless the outcome is kFailed.
  virtual void on_done(Outcome outcome, bool answered, std::string_view error) = 0;
  virtual void on_http_send(tdm_exchange* exchange, const tdm_request& request, const tdm_timeouts& timeouts) = 0;
  virtual void on_http_body(tdm_exchange* exchange, std::string_view piece) = 0;
  virtual void on_http_body_end(tdm_exchange* exchange, bool complete, Fields trailers) = 0;
  virtual void on_http_want_body(tdm_exchange* exchange) = 0;
  virtual void on_http_cancel(tdm_exchange* exchange) = 0;
};

enum class PollState { kPending = TDM_POLL_PENDING, kIdle = TDM_POLL_IDLE, kDead = TDM_POLL_DEAD };

class Instance final {
 public:
  // `events` outlives the instance and is the `user` pointer that host interfaces receive; `worker` outlives every
  // waker, that is, the Runtime.
  static Result<std::unique_ptr<Instance>> make(const Program& program, InstanceEvents& events, Executor& worker);
  // Stops the guest wherever it is. Not inside an event.
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Not inside an event.
  PollState poll() { return static_cast<PollState>(tdm_instance_poll(raw_)); }
  // `request` and all it points to live until on_done(). Between polls its head may be moved to another copy.
  void start(const tdm_request& request) { tdm_instance_start(raw_, &request, nullptr); }

  // Instead of start() for programs of ModuleKind::kCore: calls an export with numbers, each as wide as 64 bits.
  void call(std::string_view name, std::span<const std::uint64_t> arguments) {
    tdm_instance_call(raw_, span(name), arguments.data(), arguments.size(), nullptr);
  }
  // What the last call() returned.
  std::vector<std::uint64_t> results() const {
    std::vector<std::uint64_t> numbers(tdm_instance_results(raw_, nullptr, 0));
    tdm_instance_results(raw_, numbers.data(), numbers.size());
    return numbers;
  }

  // For calls of other exports than wasi:http's (tandem_wit.h).
  tdm_instance* raw() { return raw_; }

  void body(std::string_view piece) { tdm_call_body(raw_, span(piece)); }
  void body_complete(Fields trailers) { tdm_call_body_end(raw_, true, trailers.data(), trailers.size()); }
  void body_broken() { tdm_call_body_end(raw_, false, nullptr, 0); }
  void drained() { tdm_call_drained(raw_); }
  void discard_answer() { tdm_call_discard(raw_); }

  std::uint64_t memory_bytes() const { return tdm_instance_memory_bytes(raw_); }
  std::size_t resource_count() const { return tdm_instance_resource_count(raw_); }

  // The events behind the `user` pointer of a host interface's function.
  static InstanceEvents& events_of(void* user) { return *static_cast<InstanceEvents*>(user); }

 private:
  struct Waker;
  Instance() = default;

  tdm_instance* raw_ = nullptr;
  std::shared_ptr<Waker> waker_;
};

}  // namespace tandem::engine
