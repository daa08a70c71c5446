#include "policy/resilient_broker.h"

#include "policy/guarded_batch.h"

namespace tandem::policy {
namespace {

struct Publications {
  using Item = pubsub::PublishRequest;
  using Outcome = Status;
  static bool settles(const Status& outcome) { return outcome.has_value(); }
  static Status of(const Error& error) { return fail(error); }
};

}  // namespace

void ResilientBroker::publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return broker_->publish(context, std::move(request), std::move(done));
  GuardedOperation<void>::start(
      *protection, context,
      [this, request = std::move(request)](const CallContext& attempt, Completion<void> ended) {
        broker_->publish(attempt, request, std::move(ended));
      },
      std::move(done));
}

void ResilientBroker::publish_bulk(const CallContext& context, std::vector<pubsub::PublishRequest> requests,
                                   Completion<std::vector<Status>> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return broker_->publish_bulk(context, std::move(requests), std::move(done));
  GuardedBatch<Publications>::start(
      *protection, context, std::move(requests),
      [this](const CallContext& attempt, std::vector<pubsub::PublishRequest> left,
             Completion<std::vector<Status>> ended) {
        broker_->publish_bulk(attempt, std::move(left), std::move(ended));
      },
      std::move(done));
}

}  // namespace tandem::policy
