// What a host function of tandem_wit.h answers, on its way from C++ (any thread) to the guest's step.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "contract.h"
#include "instance.h"
#include "tandem_wit.h"

namespace tandem::fake {

// The answer, once it is there.
struct Answered {
  bool failed = false;
  std::string error;  // "code reason: message"
  std::optional<std::string> value;
  std::uint16_t status = 0;
};

// Shared by the step that waits and the reply that C++ holds.
class ReplyState final {
 public:
  enum class Kind { kDone, kValue, kResponse };
  ReplyState(Kind kind, std::shared_ptr<Waker> waker) : kind_(kind), waker_(std::move(waker)) {}

  // The guest's side.
  std::optional<Answered> take();
  void abandon();

  // C++'s side.
  void answer(Kind kind, Answered answered);
  void fail(Answered answered);

 private:
  void set(Answered answered);

  const Kind kind_;
  std::mutex mutex_;
  std::optional<Answered> answered_;
  std::shared_ptr<Waker> waker_;  // null once the guest has gone
};

// A reply for C++, which gives it back with its answer.
tdm_reply* make_reply(std::shared_ptr<ReplyState> state);

}  // namespace tandem::fake
