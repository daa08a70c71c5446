#include "policy/event_policies.h"

#include "policy/guarded_batch.h"

namespace tandem::policy {
namespace {

using pubsub::Verdict;

struct Events {
  using Item = pubsub::BulkItem;
  using Outcome = Verdict;
  // An event that the app wants to be dropped is done with.
  static bool settles(const Verdict& verdict) { return verdict != Verdict::kRetry; }
  static Verdict of(const Error&) { return Verdict::kRetry; }
};

GuardedOperation<Verdict>::Judgement judge(const Result<Verdict>& verdict) {
  using Judgement = GuardedOperation<Verdict>::Judgement;
  // The app is going away.
  if (!verdict && verdict.error().code == Code::kCancelled) return Judgement::kHopeless;
  return verdict && *verdict != Verdict::kRetry ? Judgement::kGood : Judgement::kBad;
}

// A message that its broker takes back is not tried any longer: it comes again.
template <class Delivery>
CallContext context_of(std::string_view app_id, const Delivery& delivery) {
  CallContext context;
  context.app_id = app_id;
  context.deadline = delivery.give_up_by;
  return context;
}

}  // namespace

Protection EventPolicies::find(std::string_view pubsub, std::string_view app_id) const {
  const auto found = pubsubs_.find(pubsub);
  const Protection* const own = found ? found->find(app_id) : nullptr;
  return own == nullptr ? Protection() : *own;
}

void EventPolicies::deliver(std::string_view app_id, pubsub::Delivery delivery, Attempt attempt,
                            Completion<Verdict> done) {
  const Protection protection = find(delivery.pubsub, app_id);
  if (!protection) return attempt(std::move(delivery), std::move(done));
  const CallContext context = context_of(app_id, delivery);
  GuardedOperation<Verdict>::start(
      protection, context,
      [delivery = std::move(delivery), attempt = std::move(attempt)](const CallContext& call,
                                                                     Completion<Verdict> ended) mutable {
        pubsub::Delivery again = delivery;
        again.give_up_by = call.deadline;
        attempt(std::move(again), std::move(ended));
      },
      std::move(done), judge);
}

void EventPolicies::deliver_bulk(std::string_view app_id, pubsub::BulkDelivery delivery, BulkAttempt attempt,
                                 Completion<std::vector<Verdict>> done) {
  const Protection protection = find(delivery.pubsub, app_id);
  if (!protection) return attempt(std::move(delivery), std::move(done));
  std::vector<pubsub::BulkItem> items = std::move(delivery.items);
  delivery.items.clear();
  const CallContext context = context_of(app_id, delivery);
  GuardedBatch<Events>::start(
      protection, context, std::move(items),
      [delivery = std::move(delivery), attempt = std::move(attempt)](
          const CallContext& call, std::vector<pubsub::BulkItem> left, Completion<std::vector<Verdict>> ended) mutable {
        pubsub::BulkDelivery again = delivery;
        again.give_up_by = call.deadline;
        again.items = std::move(left);
        attempt(std::move(again), std::move(ended));
      },
      std::move(done));
}

}  // namespace tandem::policy
