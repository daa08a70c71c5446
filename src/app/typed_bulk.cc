#include "app/typed_bulk.h"

#include <atomic>
#include <memory>
#include <utility>

#include "blocks/pubsub/cloud_event.h"

namespace tandem::app {
namespace {

struct Gathered {
  std::vector<pubsub::Verdict> verdicts;
  std::atomic<std::size_t> left;
  Completion<std::vector<pubsub::Verdict>> done;
};

}  // namespace

void deliver_one_by_one(pubsub::EventSink& sink, pubsub::BulkDelivery bulk,
                        Completion<std::vector<pubsub::Verdict>> done) {
  const std::size_t count = bulk.items.size();
  if (count == 0) return done(std::vector<pubsub::Verdict>());
  auto gathered = std::make_shared<Gathered>();
  gathered->verdicts.assign(count, pubsub::Verdict::kRetry);
  gathered->left = count;
  gathered->done = std::move(done);
  for (std::size_t i = 0; i < count; ++i) {
    pubsub::BulkItem& item = bulk.items[i];
    TraceContext trace;
    SharedBytes body = item.event;
    if (bulk.raw_payload) {
      body = share(pubsub::wrap_raw_payload(*item.event, bulk.pubsub, bulk.topic, item.metadata));
    } else if (const auto facts = pubsub::read_envelope(*body)) {
      trace = facts->trace;
    }
    Metadata metadata = std::move(item.metadata);
    metadata.insert_or_assign("pubsubName", bulk.pubsub);
    sink.deliver({.pubsub = bulk.pubsub,
                  .topic = bulk.topic,
                  .route = bulk.route,
                  .body = std::move(body),
                  .content_type = std::string(pubsub::kCloudEventType),
                  .trace = std::move(trace),
                  .metadata = std::move(metadata),
                  .give_up_by = bulk.give_up_by},
                 [gathered, i](const Result<pubsub::Verdict>& verdict) {
                   if (verdict) gathered->verdicts[i] = *verdict;
                   if (gathered->left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                     gathered->done(std::move(gathered->verdicts));
                   }
                 });
  }
}

}  // namespace tandem::app
