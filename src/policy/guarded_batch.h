// Several items that go to a target together, under policies: an attempt after the first carries those alone that the
// ones before have not settled.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "policy/guarded_operation.h"

namespace tandem::policy {

// `Kind` has the types Item and Outcome, `static bool settles(const Outcome&)`, and `static Outcome of(const Error&)`
// for an item that got no answer.
template <class Kind>
class GuardedBatch final : public std::enable_shared_from_this<GuardedBatch<Kind>> {
 public:
  using Item = typename Kind::Item;
  using Outcome = typename Kind::Outcome;
  using Outcomes = std::vector<Outcome>;
  using Run = std::move_only_function<void(const CallContext&, std::vector<Item>, Completion<Outcomes>)>;

  // `done` gets an outcome for each item, in their order; or the error, when there was never an outcome of any.
  static void start(Protection protection, const CallContext& context, std::vector<Item> items, Run run,
                    Completion<Outcomes> done) {
    const std::shared_ptr<GuardedBatch> batch(new GuardedBatch(std::move(items), std::move(run)));
    GuardedOperation<Outcomes>::start(
        std::move(protection), context,
        [batch](const CallContext& attempt, Completion<Outcomes> ended) { batch->attempt(attempt, std::move(ended)); },
        [batch, done = std::move(done)](Result<Outcomes> result) mutable { done(batch->all(std::move(result))); },
        [](const Result<Outcomes>& result) {
          using Judgement = typename GuardedOperation<Outcomes>::Judgement;
          if (!result) return result.error().code == Code::kCancelled ? Judgement::kHopeless : Judgement::kBad;
          return std::ranges::all_of(*result, Kind::settles) ? Judgement::kGood : Judgement::kBad;
        });
  }

 private:
  GuardedBatch(std::vector<Item> items, Run run)
      : items_(std::move(items)), run_(std::move(run)), outcomes_(items_.size()) {}

  void attempt(const CallContext& context, Completion<Outcomes> ended) {
    std::vector<Item> left;
    std::vector<std::size_t> places;
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < items_.size(); ++i) {
        if (outcomes_[i] && Kind::settles(*outcomes_[i])) continue;
        left.push_back(items_[i]);
        places.push_back(i);
      }
    }
    // An attempt that had timed out has settled them all meanwhile.
    if (left.empty() && !items_.empty()) return ended(Outcomes());
    run_(context, std::move(left),
         [self = this->shared_from_this(), places = std::move(places),
          ended = std::move(ended)](Result<Outcomes> result) mutable {
           if (result) self->take(places, *result);
           ended(std::move(result));
         });
  }

  // Also what an attempt says whose time is over.
  void take(const std::vector<std::size_t>& places, const Outcomes& outcomes) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < places.size() && i < outcomes.size(); ++i) {
      std::optional<Outcome>& known = outcomes_[places[i]];
      if (!known || !Kind::settles(*known)) known = outcomes[i];
    }
  }

  Result<Outcomes> all(Result<Outcomes> result) {
    const std::lock_guard lock(mutex_);
    const bool any = std::ranges::any_of(outcomes_, [](const auto& one) { return one.has_value(); });
    if (!result && !any) return result;
    const Error missing = result ? make_error(Code::kInternal, "no outcome was reported") : result.error();
    Outcomes out;
    out.reserve(outcomes_.size());
    for (const std::optional<Outcome>& one : outcomes_) out.push_back(one ? *one : Kind::of(missing));
    return out;
  }

  const std::vector<Item> items_;
  Run run_;
  std::mutex mutex_;
  std::vector<std::optional<Outcome>> outcomes_;
};

}  // namespace tandem::policy
