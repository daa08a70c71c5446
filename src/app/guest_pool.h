// The instances of one app on one worker: hands each request to an idle instance, a new one, or a queue.
//
// Reuse is the default, because a fresh instance of a Go or JavaScript guest costs ten to twenty times the call. An
// instance that trapped, ran out of time or reached a limit is replaced. A full queue answers 503 with Retry-After; a
// request that waits past its deadline answers 504. That worker's thread only; stop() first, then destroy.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "app/guest_instance.h"
#include "app/poll_gate.h"

namespace tandem::app {

class GuestPool final : public net::Handler {
 public:
  // `min` and `max`: this worker's share of the app's instances. All references outlive the pool.
  GuestPool(GuestContext context, PollGate& gate, std::size_t min, std::size_t max);
  ~GuestPool() override;

  // An app without an HTTP export answers 404.
  void handle(std::unique_ptr<net::Exchange> exchange) override;
  // A call of another export; in the order of arrival with the requests.
  void call(std::unique_ptr<host::GuestCall> event);

  // An instance's waker fired.
  void run(GuestInstance& guest);

  // Makes the instances that `min` asks for, so that a module that cannot start is known at once.
  Status warm_up();
  // `idle` runs once, as soon as no call is under way or waits: perhaps now.
  void when_idle(Task idle);
  // Refuses new calls from now on; `idle` runs when none is left, at once when none is there.
  void stop(Task idle);
  // Stops the guests wherever they are.
  void clear();

  std::size_t instances() const { return guests_.size(); }
  std::size_t busy() const { return busy_; }

 private:
  struct Waiting {
    Work work;
    GuestInstance::Clock::time_point deadline;
  };
  // The clock of deadlines and idle time-outs outlives nothing: it looks here first.
  struct Ticker {
    GuestPool* pool;
  };

  void accept(Work work);
  void dispatch(Work work);
  // One that is idle, or a new one; null: there is none now, and there will be when one of the pool's is done.
  Result<GuestInstance*> take();
  Result<GuestInstance*> make();
  void start(GuestInstance& guest, Work work);
  void finished(GuestInstance& guest, engine::PollState state);
  void remove(GuestInstance& guest);
  void serve_queue();
  static void refuse(Work& work);
  void refuse(Work& work, const Error& why);
  void arm();
  void tick();
  void arm_sweep();
  void sweep();
  void check_stopped();

  GuestContext context_;
  PollGate& gate_;
  const std::size_t min_;
  const std::size_t max_;
  std::vector<std::unique_ptr<GuestInstance>> guests_;
  std::vector<GuestInstance*> idle_;  // the one that was busy last at the end
  std::deque<Waiting> queue_;
  std::size_t busy_ = 0;
  bool armed_ = false;        // tick() is due
  bool sweep_armed_ = false;  // sweep() is due
  bool stopping_ = false;
  Task stopped_;
  Task idle_once_;
  const std::shared_ptr<Ticker> ticker_;
};

}  // namespace tandem::app
