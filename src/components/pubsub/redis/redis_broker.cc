#include "components/pubsub/redis/redis_broker.h"

#include <chrono>
#include <utility>

#include "components/pubsub/redis/stream_commands.h"

namespace tandem::components {
namespace {

Error publish_error(const std::string& why, Code code) {
  return make_error(code, "redis streams: error from publish: " + why);
}

}  // namespace

// What a subscriber holds; its end is the end of the deliveries.
class RedisBroker::Handle final : public pubsub::Broker::Subscription {
 public:
  Handle(std::shared_ptr<StreamConsumers> consumers, std::shared_ptr<StreamSubscription> subscription)
      : consumers_(std::move(consumers)), subscription_(std::move(subscription)) {}
  ~Handle() override { consumers_->remove(subscription_); }

 private:
  const std::shared_ptr<StreamConsumers> consumers_;
  const std::shared_ptr<StreamSubscription> subscription_;
};

Result<std::unique_ptr<RedisBroker>> RedisBroker::open(RedisStreamOptions options, net::Workers& workers,
                                                       std::size_t home, Warn warn, SteadyTime deadline) {
  Result<RedisClient::Opened> opened = RedisClient::open(options.redis, workers, {encode_command({"PING"})}, deadline);
  if (!opened) return fail(std::move(opened.error()));
  if (opened->answers.front().is_error() && !opened->answers.front().is_error("NOPERM")) {
    return fail(Code::kInternal, "Redis: " + opened->answers.front().text);
  }
  return std::unique_ptr<RedisBroker>(
      new RedisBroker(std::move(options), std::move(opened->client), workers[home % workers.size()], std::move(warn)));
}

RedisBroker::RedisBroker(RedisStreamOptions options, std::shared_ptr<RedisClient> client, net::Worker& home, Warn warn)
    : options_(std::move(options)),
      client_(std::move(client)),
      consumers_(std::make_shared<StreamConsumers>(home, options_, client_, std::move(warn))) {}

RedisBroker::~RedisBroker() { close(std::chrono::steady_clock::now()); }

void RedisBroker::publish(const CallContext& context, pubsub::PublishRequest request, Completion<void> done) {
  if (request.data == nullptr) request.data = share("");
  client_->send({.command = add_command(request, options_, std::chrono::system_clock::now()),
                 .kind = RedisClient::Kind::kWrite,
                 .key = request.topic},
                context.deadline, [done = std::move(done)](Result<RedisValue> answer) mutable {
                  if (!answer) return done(fail(publish_error(answer.error().message, answer.error().code)));
                  if (answer->is_error()) return done(fail(publish_error(answer->text, Code::kInternal)));
                  done({});
                });
}

Result<std::unique_ptr<pubsub::Broker::Subscription>> RedisBroker::subscribe(std::string topic,
                                                                             std::string consumer_group, Metadata,
                                                                             pubsub::MessageHandler handler) {
  if (topic.empty()) return fail(Code::kInvalidArgument, "a subscription needs a topic");
  const std::string& group = options_.consumer_id.empty() ? consumer_group : options_.consumer_id;
  return std::make_unique<Handle>(consumers_,
                                  consumers_->add({.topic = std::move(topic), .name = group}, std::move(handler)));
}

void RedisBroker::close(SteadyTime deadline) {
  consumers_->close(deadline);
  client_->close(deadline);
}

}  // namespace tandem::components
