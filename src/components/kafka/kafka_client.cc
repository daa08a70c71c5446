#include "components/kafka/kafka_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace tandem::components::kafka {
namespace {

// Time for the worker to run what close() gives it.
constexpr std::chrono::seconds kCloseGrace{1};
constexpr std::chrono::seconds kLookUp{1};
constexpr std::size_t kLookUps = 1000;
constexpr std::size_t kLongestTopic = 249;

// Kafka's rule. librdkafka takes a name with ^ for a pattern.
bool is_topic(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= kLongestTopic && name != "." && name != ".." &&
         std::ranges::all_of(name, fits);
}

// Runs `task` on the worker and waits for what it fulfils; not beyond `until`.
template <class Work>
void run_there(net::Worker& worker, SteadyTime until, Work work) {
  std::promise<void> promise;
  std::future<void> over = promise.get_future();
  worker.post([work = std::move(work), promise = std::move(promise)]() mutable { work(std::move(promise)); });
  over.wait_until(until);
}

}  // namespace

class KafkaClient::Handle final : public KafkaClient::Subscription {
 public:
  Handle(KafkaClient& client, std::shared_ptr<KafkaConsumer> consumer, std::vector<std::string> topics,
         std::shared_ptr<bool> ended)
      : client_(client), consumer_(std::move(consumer)), topics_(std::move(topics)), ended_(std::move(ended)) {}
  ~Handle() override {
    if (const auto consumer = consumer_.lock()) client_.end(consumer, topics_, ended_);
  }

 private:
  KafkaClient& client_;
  const std::weak_ptr<KafkaConsumer> consumer_;
  const std::vector<std::string> topics_;
  const std::shared_ptr<bool> ended_;
};

Result<std::unique_ptr<KafkaClient>> KafkaClient::open(KafkaOptions options, net::Worker& worker,
                                                       KafkaConsumer::Warn warn, SteadyTime deadline) {
  auto fields = MessageFields::compile(
      options.excluded_headers, options.escape_headers ? MessageFields::Escape::kYes : MessageFields::Escape::kNo);
  if (!fields) return fail(std::move(fields.error()));
  Result<std::unique_ptr<KafkaProducer>> producer = KafkaProducer::open(
      options, *fields, worker,
      [warn](const std::string& problem) {
        if (warn) warn(problem, "");
      },
      deadline);
  if (!producer) return fail(std::move(producer.error()));
  return std::unique_ptr<KafkaClient>(
      new KafkaClient(std::move(options), worker, std::move(warn), std::move(*fields), std::move(*producer)));
}

KafkaClient::KafkaClient(KafkaOptions options, net::Worker& worker, KafkaConsumer::Warn warn,
                         std::shared_ptr<const MessageFields> fields, std::unique_ptr<KafkaProducer> producer)
    : options_(std::move(options)),
      worker_(worker),
      warn_(std::move(warn)),
      fields_(std::move(fields)),
      producer_(std::move(producer)) {}

KafkaClient::~KafkaClient() { close(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<KafkaClient::Subscription>> KafkaClient::subscribe(const std::string& app_id,
                                                                          std::vector<std::string> topics,
                                                                          TopicHandler handler) {
  for (const std::string& topic : topics) {
    if (!is_topic(topic)) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("\"{}\" is no name of a topic in Kafka: letters, digits, dots, underscores and dashes, at "
                      "most {} of them",
                      topic, kLongestTopic));
    }
  }
  const std::lock_guard lock(mutex_);
  if (closed_) return fail(Code::kUnavailable, "component is closed");
  auto member = std::ranges::find_if(members_, [&](const Member& one) {
    return one.app_id == app_id &&
           std::ranges::none_of(topics, [&](const std::string& topic) { return one.topics.contains(topic); });
  });
  if (member == members_.end()) {
    const std::string& group = options_.consumer_group.empty() ? app_id : options_.consumer_group;
    auto consumer = KafkaConsumer::open(options_, group, fields_, worker_, warn_);
    if (!consumer) return fail(std::move(consumer.error()));
    members_.push_back({.app_id = app_id, .consumer = std::move(*consumer)});
    member = std::prev(members_.end());
  }
  member->topics.insert(topics.begin(), topics.end());
  const auto ended = std::make_shared<bool>(false);
  if (looking_ == nullptr) looking_ = std::make_unique<BlockingPool>(1, kLookUps);
  // A group that is joined for a topic that is not there yet would look for it again only some seconds later.
  looking_->post([this, until = std::chrono::steady_clock::now() + kLookUp, consumer = member->consumer, topics,
                  handler = std::move(handler), ended]() mutable {
    for (const std::string& topic : topics) producer_->look_up(topic, until);
    worker_.post([consumer = std::move(consumer), topics = std::move(topics), handler = std::move(handler),
                  ended = std::move(ended)] {
      if (*ended) return;
      for (const std::string& topic : topics) consumer->add(topic, handler);
    });
  });
  return std::make_unique<Handle>(*this, member->consumer, std::move(topics), ended);
}

void KafkaClient::end(const std::shared_ptr<KafkaConsumer>& consumer, const std::vector<std::string>& topics,
                      std::shared_ptr<bool> ended) {
  const std::lock_guard lock(mutex_);
  const auto member = std::ranges::find(members_, consumer, &Member::consumer);
  if (member == members_.end()) return;
  for (const std::string& topic : topics) member->topics.erase(topic);
  worker_.post([consumer, topics, ended = std::move(ended)] {
    *ended = true;
    for (const std::string& topic : topics) consumer->remove(topic);
  });
}

void KafkaClient::close(SteadyTime deadline) {
  std::vector<Member> members;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    members.swap(members_);
  }
  // A second at most. Nobody posts to it any more.
  if (looking_ != nullptr) looking_->stop();
  if (!members.empty() && worker_.running()) {
    std::vector<std::future<void>> left;
    for (const Member& member : members) {
      std::promise<void> promise;
      left.push_back(promise.get_future());
      worker_.post([consumer = member.consumer, promise = std::move(promise)]() mutable {
        consumer->close([promise = std::move(promise)]() mutable { promise.set_value(); });
      });
    }
    for (std::future<void>& one : left) one.wait_until(deadline);
    // No task of the worker's holds one of them when this one has run: they end here.
    run_there(worker_, std::max(deadline, std::chrono::steady_clock::now() + kCloseGrace),
              [members](std::promise<void> over) {
                for (const Member& member : members) member.consumer->abandon();
                over.set_value();
              });
  }
  members.clear();
  producer_->close(deadline);
}

}  // namespace tandem::components::kafka
