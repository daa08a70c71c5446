// An operation of a component under policies: run again until it succeeds or its policies say that it has failed.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "base/completion.h"
#include "policy/guarded_call.h"

namespace tandem::policy {

template <class T>
class GuardedOperation final : public GuardedCall {
 public:
  // Called for each attempt, perhaps while an earlier one that has timed out is still under way: it only reads what it
  // holds.
  using Run = std::move_only_function<void(const CallContext&, Completion<T>)>;
  enum class Judgement { kGood, kBad, kHopeless };  // hopeless: bad, and no use in another attempt
  using Judge = Judgement (*)(const Result<T>&);

  static Judgement good_without_error(const Result<T>& result) { return result ? Judgement::kGood : Judgement::kBad; }

  // `done` runs once: in place when the first attempt completes there, else where its last one does, or on the guard's
  // timers.
  static void start(Protection protection, const CallContext& context, Run run, Completion<T> done,
                    Judge judge = good_without_error) {
    TimedExecutor& timers = protection.guard->timers();
    const std::shared_ptr<GuardedOperation> call(
        new GuardedOperation(std::move(protection), timers, context, std::move(run), std::move(done), judge));
    call->begin();
  }

 private:
  GuardedOperation(Protection protection, TimedExecutor& timers, const CallContext& context, Run run,
                   Completion<T> done, Judge judge)
      : GuardedCall(std::move(protection), timers, context.deadline),
        context_(context),
        run_(std::move(run)),
        done_(std::move(done)),
        judge_(judge) {}

  void attempt(const Attempt& attempt) override {
    CallContext context = context_;
    context.deadline = attempt.deadline;
    run_(context,
         [self = std::static_pointer_cast<GuardedOperation>(shared_from_this()), attempt](Result<T> result) mutable {
           const Judgement judgement = self->judge_(result);
           const Outcome outcome = judgement == Judgement::kGood  ? Outcome::kSuccess
                                   : judgement == Judgement::kBad ? Outcome::kFailure
                                                                  : Outcome::kFinalFailure;
           if (self->ended(attempt, outcome) == Next::kOver) self->done_(std::move(result));
         });
  }

  void refuse(Error error) override { done_(fail(std::move(error))); }

  const CallContext context_;
  Run run_;
  Completion<T> done_;
  const Judge judge_;
};

}  // namespace tandem::policy
