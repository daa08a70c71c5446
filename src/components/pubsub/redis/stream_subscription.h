// One topic of pubsub.redis for one consumer group: reads the stream, hands messages to the handler, acknowledges what
// was taken and fetches again what nobody has acknowledged.
//
// Owned by StreamConsumers; everything runs on its worker, but for the handler's completions, which may come from any
// thread. A blocking XREADGROUP has a connection of its own and is sent when there is room in the queue; all other
// commands go over the worker's shared connection. It never ends by itself: without a server it tries again, a group
// that is gone is made anew, and what the server answers otherwise is a line in the log, once.
//
// A message is in this process's hands from its reading to its acknowledgement. While it waits here it is claimed anew
// in time, so that nobody else takes it for lost. Once its handler has had it for the processing timeout it is let go:
// its slot is free, and it comes again, here or elsewhere; a late success still counts.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/completion.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "components/pubsub/redis/delivery_slots.h"
#include "components/pubsub/redis/stream_commands.h"
#include "components/redis/redis_client.h"
#include "components/redis/redis_link.h"
#include "net/worker.h"

namespace tandem::components {

// What the subscriptions of a component share. But for the constants it is used on the worker only.
struct StreamSurroundings {
  StreamSurroundings(net::Worker& worker, RedisStreamOptions options, std::shared_ptr<RedisClient> client)
      : worker(worker),
        options(std::move(options)),
        client(std::move(client)),
        slots(this->options.concurrency, worker) {}

  net::Worker& worker;
  const RedisStreamOptions options;
  std::shared_ptr<RedisClient> client;  // null once the component is closed
  DeliverySlots slots;
  // Hears of what goes wrong; may be empty.
  std::function<void(const std::string& problem, const std::string& topic)> warn;
};

class StreamSubscription final : public DeliverySlots::Taker, public std::enable_shared_from_this<StreamSubscription> {
 public:
  StreamSubscription(std::shared_ptr<StreamSurroundings> surroundings, StreamGroup group,
                     pubsub::MessageHandler handler);
  StreamSubscription(const StreamSubscription&) = delete;
  StreamSubscription& operator=(const StreamSubscription&) = delete;

  void start();
  // No more is read or delivered; what waits is given back to the group. `idle` runs once, on the worker, when no
  // delivery is under way and everything was acknowledged: perhaps now.
  void stop(Task idle);
  // Gives up what stop() waits for.
  void abandon();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::string id;
    pubsub::Message message;
    SteadyTime held_since;  // the group has known since then that it is here
  };
  struct Flight {
    std::uint64_t number = 0;
    SteadyTime since;  // as the group counts
  };

  bool begin_one() override;
  bool has_more() const override { return !stopped_ && !queue_.empty(); }

  void create_group();
  void group_created(Result<RedisValue> answer);
  void read_more();
  void messages_read(Result<RedisValue> answer);
  void ask_for_connection_id();
  // The server is not there, or says no: `step` comes again, later and later. Nothing is read until then, whoever asks.
  void again_later(void (StreamSubscription::*step)());
  // A read ends at once instead of when its time is over.
  void unblock();
  void give_back(std::vector<std::string> ids);
  Waiting received(StreamEntry entry);
  void deliver_waiting();
  // The group counts from now on, not from when the message was read. All of this turn of the loop together.
  void count_anew(const std::string& id);

  void ended(const std::string& id, std::uint64_t number, const Result<pubsub::Verdict>& verdict);
  void acknowledge(const std::string& id);
  void flush();
  void acknowledged(std::vector<std::string> ids, const Result<RedisValue>& answer);

  // Every now and then: what waits is claimed anew, what takes too long is let go, what is lost is looked for.
  void tick();
  void look_for_lost(const std::string& from, int pages_left);
  void lost_found(const Result<RedisValue>& answer, int pages_left);
  void claimed(std::vector<std::string> wanted, Result<RedisValue> answer, const std::function<void()>& go_on);
  void acknowledge_if_gone(const std::string& id);
  void hold(std::vector<std::string> ids);
  void let_go_of_others(const std::vector<std::string>& held, const RedisValue& still, SteadyTime held_since);

  void send(std::string command, Completion<RedisValue> done);
  void after(std::chrono::milliseconds delay, void (StreamSubscription::*step)());
  std::size_t room() const;
  // What the log hears of; the same words once, until that works again.
  enum class Matter { kReading, kSearch, kAcknowledging, kMetadata };
  void warn(Matter matter, const std::string& problem);
  void tell_idle();

  const std::shared_ptr<StreamSurroundings> surroundings_;
  const StreamGroup group_;
  const pubsub::MessageHandler handler_;
  RedisOptions blocking_options_;  // the link refers to them
  std::unique_ptr<RedisLink> link_;
  std::string connection_id_;  // the blocking connection's, as the server knows it; empty: not known
  bool reading_ = false;       // or making the group
  bool pausing_ = false;       // until a step comes again
  bool looking_ = false;
  bool stopped_ = false;
  int failures_ = 0;  // in a row
  std::map<Matter, std::string> said_;
  SteadyTime next_look_;

  std::deque<Waiting> queue_;
  std::map<std::string, Flight> flights_;
  std::uint64_t next_number_ = 0;
  std::vector<std::string> begun_;  // to be counted anew
  std::vector<std::string> done_;   // to be acknowledged
  bool flushing_ = false;
  std::set<std::string> in_hand_;  // ids that wait, are under way or are to be acknowledged
  Task idle_;
};

}  // namespace tandem::components
