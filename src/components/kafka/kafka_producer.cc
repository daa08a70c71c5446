#include "components/kafka/kafka_producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "components/kafka/handle.h"
#include "components/kafka/queue_watch.h"

namespace tandem::components::kafka {
namespace {

using std::chrono::milliseconds;

constexpr int kEventsATurn = 1'000;
constexpr milliseconds kProbe{500};  // the time between two looks whether a broker has answered
constexpr milliseconds kLookAgain{30};
// Time for the worker to run what close() gives it.
constexpr std::chrono::seconds kCloseGrace{1};

SteadyTime now() { return std::chrono::steady_clock::now(); }

Error closed_error() { return make_error(Code::kUnavailable, "component is closed"); }

// One message, from publish() to what has become of it. Its data travels from where it is.
struct Outgoing {
  SharedBytes data;
  Completion<void> done;
  std::atomic<bool> answered = false;

  void answer(Result<void> result) {
    if (!answered.exchange(true)) done(std::move(result));
  }
};
using Ticket = std::shared_ptr<Outgoing>;

}  // namespace

struct KafkaProducer::Core : std::enable_shared_from_this<KafkaProducer::Core> {
  Core(Client made, std::shared_ptr<const MessageFields> message_fields, net::Worker& home,
       std::function<void(const std::string&)> hears)
      : fields(std::move(message_fields)),
        worker(home),
        warn(std::move(hears)),
        client(std::move(made)),
        queue(rd_kafka_queue_get_main(client.get())) {}

  Status connect(SteadyTime deadline);
  void serve();
  // False: there was nothing.
  bool serve_one(milliseconds patience);
  void delivered(rd_kafka_event_t* event);
  void on_error(const std::string& problem);
  std::string last_problem() {
    const std::lock_guard lock(mutex);
    return problem_now;
  }

  const std::shared_ptr<const MessageFields> fields;
  net::Worker& worker;
  const std::function<void(const std::string&)> warn;
  Client client;
  Queue queue;  // before the client
  std::unique_ptr<QueueWatch> watch;
  std::atomic<bool> ending = false;  // close() serves the queue

  std::mutex mutex;
  std::condition_variable drained;
  bool closed = false;
  std::size_t under_way = 0;
  std::string problem_now;  // what librdkafka has said last, until a message has arrived
};

Status KafkaProducer::Core::connect(SteadyTime deadline) {
  while (true) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - now());
    const auto patience = std::clamp(left, milliseconds(1), kProbe);
    const rd_kafka_metadata_t* known = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client.get(), 0, nullptr, &known, static_cast<int>(patience.count()));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_metadata_destroy(known);
      return {};
    }
    bool refused = false;
    while (Event event{rd_kafka_queue_poll(queue.get(), 0)}) {
      if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_ERROR) continue;
      const rd_kafka_resp_err_t what = rd_kafka_event_error(event.get());
      refused |= what == RD_KAFKA_RESP_ERR__AUTHENTICATION || what == RD_KAFKA_RESP_ERR__SSL;
      // "1/1 brokers are down" says less than why.
      if (what != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || problem_now.empty()) {
        problem_now = rd_kafka_event_error_string(event.get());
      }
    }
    if (!refused && left > kProbe) continue;
    return fail(
        refused ? Code::kUnauthenticated : Code::kUnavailable,
        fmt::format("kafka: no broker has answered: {}", problem_now.empty() ? rd_kafka_err2str(error) : problem_now));
  }
}

void KafkaProducer::Core::serve() {
  for (int i = 0; i < kEventsATurn && !ending.load(); ++i) {
    if (!serve_one(milliseconds(0))) return;
  }
  worker.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && !self->ending.load()) self->serve();
  });
}

bool KafkaProducer::Core::serve_one(milliseconds patience) {
  const Event event(rd_kafka_queue_poll(queue.get(), static_cast<int>(patience.count())));
  if (event == nullptr) return false;
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_DR) delivered(event.get());
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) on_error(rd_kafka_event_error_string(event.get()));
  return true;
}

void KafkaProducer::Core::delivered(rd_kafka_event_t* event) {
  while (const rd_kafka_message_t* const message = rd_kafka_event_message_next(event)) {
    const std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(message->_private));
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      (*ticket)->answer({});
    } else {
      (*ticket)->answer(fail(kafka_error(message->err, last_problem())));
    }
    const std::lock_guard lock(mutex);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) problem_now.clear();
    if (--under_way == 0) drained.notify_all();
  }
}

void KafkaProducer::Core::on_error(const std::string& problem) {
  {
    const std::lock_guard lock(mutex);
    if (problem_now == problem) return;
    problem_now = problem;
  }
  if (warn) warn(problem);
}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(const KafkaOptions& options,
                                                           std::shared_ptr<const MessageFields> fields,
                                                           net::Worker& worker,
                                                           std::function<void(const std::string&)> warn,
                                                           SteadyTime deadline) {
  Result<Client> client = make_producer(options);
  if (!client) return fail(std::move(client.error()));
  auto core = std::make_shared<Core>(std::move(*client), std::move(fields), worker, std::move(warn));
  if (Status connected = core->connect(deadline); !connected) return fail(std::move(connected.error()));
  core->problem_now.clear();
  core->watch = std::make_unique<QueueWatch>(core->queue.get(), worker, [weak = std::weak_ptr(core)] {
    if (const auto self = weak.lock()) self->serve();
  });
  core->watch->wake();
  return std::unique_ptr<KafkaProducer>(new KafkaProducer(std::move(core)));
}

KafkaProducer::KafkaProducer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
KafkaProducer::~KafkaProducer() { close(now()); }

void KafkaProducer::publish(const CallContext& context, const std::string& topic, SharedBytes data,
                            const Metadata& metadata, Completion<void> done) {
  if (Status status = check_value_schema(metadata); !status) return done(fail(std::move(status.error())));
  Result<OutgoingFields> fields = core_->fields->outgoing(metadata);
  if (!fields) return done(fail(std::move(fields.error())));
  if (data == nullptr) data = share("");
  {
    const std::lock_guard lock(core_->mutex);
    if (core_->closed) return done(fail(closed_error()));
    ++core_->under_way;
  }
  auto ticket = std::make_shared<Outgoing>(std::move(data), std::move(done));
  std::vector<rd_kafka_vu_t> parts;
  parts.reserve(7);
  const auto part = [&parts](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    parts.push_back({.vtype = type});
    return parts.back();
  };
  part(RD_KAFKA_VTYPE_TOPIC).u.cstr = topic.c_str();
  part(RD_KAFKA_VTYPE_PARTITION).u.i32 = fields->partition;
  part(RD_KAFKA_VTYPE_MSGFLAGS).u.i = 0;  // the data is not copied
  part(RD_KAFKA_VTYPE_VALUE).u.mem = {.ptr = const_cast<char*>(ticket->data->data()), .size = ticket->data->size()};
  if (fields->key) {
    part(RD_KAFKA_VTYPE_KEY).u.mem = {.ptr = const_cast<char*>(fields->key->data()), .size = fields->key->size()};
  }
  // One by one librdkafka 2.0 frees them twice when the message has a partition that is not there.
  Headers headers(rd_kafka_headers_new(fields->headers.size()));
  for (const auto& [name, value] : fields->headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  part(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.get();
  auto passed_on = std::make_unique<Ticket>(ticket);
  part(RD_KAFKA_VTYPE_OPAQUE).u.ptr = passed_on.get();
  const ErrorObject error(rd_kafka_produceva(core_->client.get(), parts.data(), parts.size()));
  if (error != nullptr) {
    {
      const std::lock_guard lock(core_->mutex);
      if (--core_->under_way == 0) core_->drained.notify_all();
    }
    return ticket->answer(fail(kafka_error(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()))));
  }
  (void)headers.release();    // the message has them
  (void)passed_on.release();  // delivered() has it
  const SteadyTime time = now();
  if (context.deadline >= time + kDeliveryTimeout) return;
  const auto left = std::chrono::ceil<milliseconds>(std::max(context.deadline - time, SteadyTime::duration(0)));
  core_->worker.post_after(left, [weak = std::weak_ptr(ticket)] {
    const auto late = weak.lock();
    if (late == nullptr) return;
    late->answer(fail(Code::kDeadlineExceeded, "kafka: no broker has acknowledged the message in time"));
  });
}

void KafkaProducer::look_up(const std::string& name, SteadyTime deadline) {
  const Topic topic(rd_kafka_topic_new(core_->client.get(), name.c_str(), nullptr));
  if (topic == nullptr) return;
  while (now() < deadline) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - now());
    const rd_kafka_metadata_t* answer = nullptr;
    if (rd_kafka_metadata(core_->client.get(), 0, topic.get(), &answer, static_cast<int>(left.count())) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      return;
    }
    const Known known(answer);
    if (known->topic_cnt != 1) return;
    const rd_kafka_resp_err_t error = known->topics[0].err;
    const bool being_made = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                            error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
                            (error == RD_KAFKA_RESP_ERR_NO_ERROR && known->topics[0].partition_cnt == 0);
    if (!being_made) return;
    std::this_thread::sleep_for(std::min<SteadyTime::duration>(kLookAgain, deadline - now()));
  }
}

void KafkaProducer::close(SteadyTime deadline) {
  Core& core = *core_;
  std::unique_lock lock(core.mutex);
  if (std::exchange(core.closed, true)) return;
  const auto is_drained = [&core] { return core.under_way == 0; };
  if (core.worker.running()) core.drained.wait_until(lock, deadline, is_drained);
  lock.unlock();
  core.watch.reset();
  core.ending.store(true);
  if (core.worker.running()) {
    // What the worker is in the middle of ends before the client does.
    std::promise<void> promise;
    std::future<void> passed = promise.get_future();
    core.worker.post([promise = std::move(promise)]() mutable { promise.set_value(); });
    passed.wait_until(std::max(deadline, now() + kCloseGrace));
  }
  rd_kafka_purge(core.client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  const SteadyTime end = now() + kCloseGrace;
  while (rd_kafka_outq_len(core.client.get()) > 0 && now() < end) core.serve_one(milliseconds(10));
  core.queue.reset();
  core.client.reset();
}

}  // namespace tandem::components::kafka
