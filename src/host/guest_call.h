// A call of one of a guest's exports beside wasi:http's: an event on its way in, or a question at the app's start.
//
// Made for one call by the functions of topic_calls.h, binding_calls.h and configuration_calls.h; owned by the pool,
// then by the instance that runs it, until end(). Used on the worker of that pool. One that goes away without end()
// (the app stops) fails with kCancelled.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "base/call_context.h"
#include "base/completion.h"
#include "base/result.h"
#include "engine/instance.h"

namespace tandem::host {

class GuestCall {
 public:
  virtual ~GuestCall() = default;

  // For people: "topic-handler.handle".
  virtual std::string_view name() const = 0;
  // Its deadline and its trace.
  virtual const CallContext& context() const = 0;
  // Hands itself to an idle instance, which is polled then. The call lives until end(), or longer than the instance.
  virtual void begin(engine::Instance& instance) = 0;
  // What came of it, once. Success: the export has returned. kUnavailable: no instance took it; kDeadlineExceeded: time
  // is up; kInternal: the guest failed.
  virtual void end(Status outcome) = 0;
};

// What the guest has answered, for whoever waits for it.
template <class T>
class NotedAnswer final {
 public:
  explicit NotedAnswer(Completion<T> done) : done_(std::move(done)) {}
  NotedAnswer(const NotedAnswer&) = delete;
  NotedAnswer& operator=(const NotedAnswer&) = delete;
  ~NotedAnswer() { tell(fail(Code::kCancelled, "the app is stopping")); }

  void note(Result<T> answer) { answer_ = std::move(answer); }
  void end(Status outcome) {
    if (!outcome) return tell(fail(std::move(outcome.error())));
    if (!answer_) return tell(fail(Code::kInternal, "the guest returned without an answer"));
    tell(std::move(*answer_));
  }

 private:
  void tell(Result<T> answer) {
    if (done_) std::exchange(done_, nullptr)(std::move(answer));
  }

  Completion<T> done_;
  std::optional<Result<T>> answer_;
};

}  // namespace tandem::host
