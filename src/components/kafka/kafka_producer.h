// KafkaProducer: messages on their way into topics. A publish is done when all replicas in sync have the message.
//
// Owned by KafkaClient. open() and close() are for the server's thread, publish() for any; a completion comes on the
// worker, or in place when the message cannot even be queued. What a broker has not acknowledged is sent again for
// kDeliveryTimeout (handle.h), so it may be there twice. Failures: handle.h's; kUnavailable after close().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"
#include "components/kafka/kafka_options.h"
#include "components/kafka/message_fields.h"
#include "net/worker.h"

namespace tandem::components::kafka {

class KafkaProducer final {
 public:
  // `warn` hears of brokers that are away, on the worker; the same words once until a message has arrived. Fails unless
  // a broker has answered before `deadline`.
  static Result<std::unique_ptr<KafkaProducer>> open(const KafkaOptions& options,
                                                     std::shared_ptr<const MessageFields> fields, net::Worker& worker,
                                                     std::function<void(const std::string&)> warn, SteadyTime deadline);
  ~KafkaProducer();

  void publish(const CallContext& context, const std::string& topic, SharedBytes data, const Metadata& metadata,
               Completion<void> done);
  // Waits until the topic is there, as a broker makes it that is asked for it; not beyond `deadline`, and not when it
  // cannot be.
  void look_up(const std::string& topic, SteadyTime deadline);
  // Lets what is under way arrive until `deadline`, fails the rest. Not on the worker.
  void close(SteadyTime deadline);

 private:
  struct Core;
  explicit KafkaProducer(std::shared_ptr<Core> core);

  const std::shared_ptr<Core> core_;
};

}  // namespace tandem::components::kafka
