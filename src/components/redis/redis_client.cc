#include "components/redis/redis_client.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "components/redis/redis_link.h"

namespace tandem::components {
namespace {

using Clock = std::chrono::steady_clock;

// Time for the workers to run what close() gives them.
constexpr std::chrono::seconds kCloseGrace{1};

Error closed_error() { return make_error(Code::kUnavailable, "the connection to Redis is closed"); }

// Counts what is still to come, for a thread that waits.
class Countdown final {
 public:
  explicit Countdown(std::size_t left) : left_(left) {}
  void one_done() {
    const std::lock_guard lock(mutex_);
    --left_;
    changed_.notify_all();
  }
  bool wait_until(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t left_;
};

// One connection on a loop of its own, for the questions of the start: the workers do not run yet.
Result<std::vector<RedisValue>> ask_once(const RedisOptions& options, std::vector<std::string> commands,
                                         SteadyTime deadline) {
  struct Exchange {
    std::unique_ptr<RedisConnection> connection;
    std::vector<RedisValue> answers;
    std::promise<Status> over;
    bool told = false;

    void tell(Status status) {
      if (!std::exchange(told, true)) over.set_value(std::move(status));
    }
  };
  Exchange exchange;
  std::future<Status> over = exchange.over.get_future();
  net::Workers loop(1);
  loop.start();
  loop[0].post([&] {
    exchange.connection = std::make_unique<RedisConnection>(loop[0], options);
    for (std::string& command : commands) {
      exchange.connection->send({.command = std::move(command),
                                 .deadline = deadline,
                                 .repeat = RedisCall::Repeat::kAllowed,
                                 .done = [&exchange, count = commands.size()](Result<RedisValue> answer) {
                                   if (!answer) return exchange.tell(fail(std::move(answer.error())));
                                   exchange.answers.push_back(std::move(*answer));
                                   if (exchange.answers.size() == count) exchange.tell({});
                                 }});
    }
  });
  // The connection keeps the deadline itself, a tick of its clock or two late.
  const bool heard = over.wait_until(deadline + kCloseGrace) == std::future_status::ready;
  loop.stop();
  exchange.connection.reset();
  if (!heard) return fail(Code::kDeadlineExceeded, "Redis has not answered in time");
  if (Status status = over.get(); !status) return fail(std::move(status.error()));
  return std::move(exchange.answers);
}

}  // namespace

// What a worker has of a client: used on that worker only.
struct RedisClient::WorkerLanes {
  WorkerLanes(net::Worker& worker, std::shared_ptr<const RedisOptions> options)
      : worker(worker), options(std::move(options)) {}

  void send(RedisCall call, Lane lane, std::uint16_t slot) {
    if (closed) return call.done(fail(closed_error()));
    std::unique_ptr<RedisLink>& link = lane == Lane::kShared ? shared : held_up;
    if (link == nullptr) link = std::make_unique<RedisLink>(worker, *options);
    link->send(std::move(call), slot);
  }
  // `done` runs when nothing is under way any more.
  void finish(const std::shared_ptr<Countdown>& countdown) {
    closed = true;
    for (const auto& link : {shared.get(), held_up.get()}) {
      if (link == nullptr) {
        countdown->one_done();
      } else {
        link->when_idle([countdown] { countdown->one_done(); });
      }
    }
  }
  void abort() {
    closed = true;
    if (shared) shared->abort(closed_error());
    if (held_up) held_up->abort(closed_error());
  }

  net::Worker& worker;
  const std::shared_ptr<const RedisOptions> options;
  std::unique_ptr<RedisLink> shared;
  std::unique_ptr<RedisLink> held_up;
  bool closed = false;
};

Result<RedisClient::Opened> RedisClient::open(RedisOptions options, net::Workers& workers,
                                              std::vector<std::string> greetings, SteadyTime deadline) {
  // What goes wrong now is the caller's error, not a line in the log.
  RedisOptions quiet = options;
  quiet.warn = nullptr;
  Result<std::vector<RedisValue>> answers = ask_once(quiet, std::move(greetings), deadline);
  if (!answers) return fail(std::move(answers.error()));
  return Opened{std::unique_ptr<RedisClient>(new RedisClient(std::move(options), workers)), std::move(*answers)};
}

RedisClient::RedisClient(RedisOptions options, net::Workers& workers)
    : options_(std::make_shared<const RedisOptions>(std::move(options))) {
  for (std::size_t i = 0; i < workers.size(); ++i) {
    lanes_.push_back(std::make_shared<WorkerLanes>(workers[i], options_));
  }
}

RedisClient::~RedisClient() {
  for (std::shared_ptr<WorkerLanes>& lanes : lanes_) {
    net::Worker& worker = lanes->worker;
    // A running worker may be in the middle of them.
    if (worker.running()) worker.post([lanes = std::move(lanes)] {});
  }
}

RedisClient::WorkerLanes* RedisClient::lanes_here() {
  const auto here = std::ranges::find_if(lanes_, [](const auto& lanes) { return lanes->worker.running_here(); });
  return here == lanes_.end() ? nullptr : here->get();
}

void RedisClient::send(Request request, SteadyTime deadline, Completion<RedisValue> done) {
  if (closed_.load(std::memory_order_relaxed)) return done(fail(closed_error()));
  const bool reads = request.kind == Kind::kRead;
  const Lane lane = request.lane;
  const std::chrono::milliseconds limit = reads ? options_->read_timeout : options_->write_timeout;
  RedisCall call{.command = std::move(request.command),
                 .deadline = limit.count() > 0 ? std::min(deadline, Clock::now() + limit) : deadline,
                 .repeat = reads ? RedisCall::Repeat::kAllowed : RedisCall::Repeat::kNever,
                 .script = request.script,
                 .done = std::move(done)};
  const std::uint16_t slot = options_->cluster ? redis_slot(request.key) : 0;
  if (WorkerLanes* own = lanes_here()) return own->send(std::move(call), lane, slot);
  const std::shared_ptr<WorkerLanes>& other = lanes_[next_.fetch_add(1, std::memory_order_relaxed) % lanes_.size()];
  other->worker.post(
      [lanes = other, call = std::move(call), lane, slot]() mutable { lanes->send(std::move(call), lane, slot); });
}

void RedisClient::close(SteadyTime deadline) {
  if (closed_.exchange(true)) return;
  const bool running = std::ranges::any_of(lanes_, [](const auto& lanes) { return lanes->worker.running(); });
  if (!running) {
    for (const auto& lanes : lanes_) lanes->abort();
    return;
  }
  const auto idle = std::make_shared<Countdown>(lanes_.size() * 2);
  for (const auto& lanes : lanes_) lanes->worker.post([lanes, idle] { lanes->finish(idle); });
  idle->wait_until(deadline);
  const auto ended = std::make_shared<Countdown>(lanes_.size());
  for (const auto& lanes : lanes_) {
    lanes->worker.post([lanes, ended] {
      lanes->abort();
      ended->one_done();
    });
  }
  ended->wait_until(std::max(deadline, Clock::now() + kCloseGrace));
}

}  // namespace tandem::components
