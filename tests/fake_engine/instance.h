// An instance of the fake engine: the call that it runs, step by step, and what it tells C++ at the end of each poll.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "body.h"
#include "contract.h"
#include "objects.h"
#include "waker.h"

namespace tandem::fake {

using OwnedHeaders = std::vector<std::pair<std::string, std::string>>;

// Views of `headers`, valid while they are.
std::vector<tdm_header> spans_of(const OwnedHeaders& headers);

// Thrown by a step: the guest traps.
struct Trap {
  std::string message;
};

// A step of a script that is under way. Destroyed when it is complete or its instance ends.
class Step {
 public:
  virtual ~Step() = default;
  // True when it is complete; false: poll again after a wake.
  virtual bool poll(tdm_instance& instance) = 0;
};

// What the guest has answered to the running call.
struct Answer {
  enum class Kind { kNone, kError, kResponse };
  Kind kind = Kind::kNone;
  std::uint16_t status = 0;
  OwnedHeaders headers;
  std::string error;
  BodyOut body;
  bool head_sent = false;  // or the error
  bool over = false;
};

}  // namespace tandem::fake

struct tdm_instance final : tandem::fake::Tracked {
  tdm_instance(std::shared_ptr<const tandem::fake::Program> program, const tdm_instance_events& events, void* user,
               std::shared_ptr<tandem::fake::Waker> waker);

  // The entries.
  int poll();
  void start(const tdm_request* request, void* call);
  // A call of another export; `returned` gives C++ its answer.
  using Returned = std::function<void(tdm_instance&)>;
  void start_event(std::span<const tdm_header> headers, tdm_str body, void* call, Returned returned);
  void stop();

  // For steps: the guest's side.
  const tandem::fake::Program& program() const { return *program_; }
  tandem::fake::Waker& waker() { return *waker_; }
  std::shared_ptr<tandem::fake::Waker> share_waker() const { return waker_; }
  void* user() const { return user_; }
  const tdm_request& request() const { return *request_; }
  std::optional<std::string_view> request_header(std::string_view name) const;
  // Fails the guest when it has answered already.
  void respond(std::uint16_t status, tandem::fake::OwnedHeaders headers, std::string_view body);
  void respond_error(std::string error);
  // A body that the end of the script finishes.
  void respond_streaming(std::uint16_t status, tandem::fake::OwnedHeaders headers);
  void log(std::string_view line);
  void add_exchange(tdm_exchange& exchange) { exchanges_.push_back(&exchange); }
  void add_steps(std::vector<tandem::fake::StepText> steps);
  void yield() { yielded_ = true; }

  bool running = false;  // between start() and done
  tandem::fake::Answer answer;
  tandem::fake::BodyIn body;
  std::string verdict = "success";
  std::uint64_t memory_bytes = 1ull << 20;
  std::size_t handles = 0;

 private:
  friend struct tdm_exchange;
  struct Finish {
    std::optional<std::string> trap;
  };
  enum class Rest { kMore, kLast };

  // False when the guest is dead.
  bool run();
  void begin_call();
  void end_steps();
  void flush();
  void flush_exchanges();
  bool flush_answer(Rest rest);
  void finish_call(const Finish& finish);
  template <class... Parameters, class... Arguments>
  void tell(void (*event)(Parameters...), Arguments... arguments) {
    const tandem::fake::InCallback inside;
    event(arguments...);
  }

  const std::shared_ptr<const tandem::fake::Program> program_;
  const tdm_instance_events events_;
  void* const user_;
  std::shared_ptr<tandem::fake::Waker> waker_;
  const std::uint64_t serial_;
  std::uint64_t calls_ = 0;
  bool started_ = false;
  bool dead_ = false;
  bool yielded_ = false;
  bool accepted_ = false;  // the guest has begun the call
  const tdm_request* request_ = nullptr;
  Returned returned_;  // set during a call of another export than wasi:http's
  std::vector<tdm_header> event_headers_;
  tdm_request event_request_{};
  std::uint64_t fingerprint_ = 0;
  void* call_ = nullptr;
  std::deque<std::unique_ptr<tandem::fake::Step>> steps_;
  std::vector<tdm_exchange*> exchanges_;
  std::optional<Finish> finish_;
};
