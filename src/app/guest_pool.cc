#include "app/guest_pool.h"

#include <algorithm>
#include <utility>

namespace tandem::app {
namespace {

// How late a deadline may be noticed.
constexpr std::chrono::milliseconds kTick{25};
constexpr net::Header kRetryAfter[] = {{"content-type", "text/plain; charset=utf-8"}, {"retry-after", "1"}};
constexpr net::Header kPlainText[] = {{"content-type", "text/plain; charset=utf-8"}};

}  // namespace

GuestPool::GuestPool(GuestContext context, PollGate& gate, std::size_t min, std::size_t max)
    : context_(std::move(context)),
      gate_(gate),
      min_(min),
      max_(std::max<std::size_t>(max, 1)),
      ticker_(std::make_shared<Ticker>(Ticker{this})) {}

GuestPool::~GuestPool() { ticker_->pool = nullptr; }

void GuestPool::handle(std::unique_ptr<net::Exchange> exchange) {
  if (!context_.exports.http) {
    return exchange->respond(404, kPlainText, "the app takes no HTTP: its guest does not export wasi:http\n");
  }
  accept({.exchange = std::move(exchange), .event = nullptr});
}

void GuestPool::call(std::unique_ptr<host::GuestCall> event) {
  accept({.exchange = nullptr, .event = std::move(event)});
}

void GuestPool::accept(Work work) {
  if (gate_.polling()) {
    // One guest calls another: it runs when the caller's poll is over.
    gate_.defer([this, work = std::move(work)]() mutable { dispatch(std::move(work)); });
    return;
  }
  dispatch(std::move(work));
}

void GuestPool::dispatch(Work work) {
  if (stopping_) return refuse(work);
  const Result<GuestInstance*> guest = take();
  if (!guest) return refuse(work, guest.error());
  if (*guest != nullptr) return start(**guest, std::move(work));
  if (queue_.size() >= context_.options.max_queue) {
    context_.observer.call_ended(GuestObserver::End::kRejected, {});
    return refuse(work);
  }
  const auto deadline = std::min(work.deadline(), GuestInstance::Clock::now() + context_.options.request_timeout);
  queue_.push_back({std::move(work), deadline});
  arm();
}

Result<GuestInstance*> GuestPool::take() {
  if (!idle_.empty()) {
    GuestInstance* guest = idle_.back();
    idle_.pop_back();
    return guest;
  }
  if (guests_.size() >= max_) return nullptr;
  Result<GuestInstance*> guest = make();
  if (!guest && guest.error().code == Code::kResourceExhausted && !guests_.empty()) return nullptr;
  return guest;
}

Result<GuestInstance*> GuestPool::make() {
  auto guest = GuestInstance::make(*this, context_);
  if (!guest) return fail(std::move(guest.error()));
  guests_.push_back(std::move(*guest));
  arm_sweep();
  return guests_.back().get();
}

void GuestPool::start(GuestInstance& guest, Work work) {
  ++busy_;
  guest.start(std::move(work));
  arm();
  run(guest);
}

void GuestPool::run(GuestInstance& guest) {
  if (gate_.polling()) {
    // Its instance may be gone by then: the waker's way looks first.
    gate_.defer([this, &guest] {
      const bool there = std::ranges::any_of(guests_, [&](const auto& owned) { return owned.get() == &guest; });
      if (there) run(guest);
    });
    return;
  }
  gate_.run([&] {
    const bool was_busy = guest.busy();
    const engine::PollState state = guest.poll();
    if (was_busy && !guest.busy()) --busy_;
    finished(guest, state);
  });
}

// Still inside the gate: whatever this sets off on the worker is put off until it returns.
void GuestPool::finished(GuestInstance& guest, engine::PollState state) {
  if (state == engine::PollState::kPending) return guest.give_back_exchange();
  guest.drop_finished();
  if (state == engine::PollState::kDead || guest.worn_out() || stopping_) {
    remove(guest);
  } else if (std::ranges::find(idle_, &guest) == idle_.end()) {
    idle_.push_back(&guest);
  }
  if (!queue_.empty()) gate_.defer([this] { serve_queue(); });
  check_stopped();
}

void GuestPool::remove(GuestInstance& guest) {
  std::erase(idle_, &guest);
  const auto at = std::ranges::find_if(guests_, [&](const auto& owned) { return owned.get() == &guest; });
  if (at == guests_.end()) return;
  // Out of the list first: its end may set off more.
  const std::unique_ptr<GuestInstance> last = std::move(*at);
  guests_.erase(at);
}

void GuestPool::serve_queue() {
  while (!queue_.empty() && !stopping_) {
    Result<GuestInstance*> guest = nullptr;
    const bool gone = queue_.front().work.gone();
    if (!gone) {
      guest = take();
      if (guest && *guest == nullptr) return;
    }
    Work work = std::move(queue_.front().work);
    queue_.pop_front();
    if (gone) continue;
    if (guest) {
      start(**guest, std::move(work));
    } else {
      refuse(work, guest.error());
    }
  }
  check_stopped();
}

void GuestPool::refuse(Work& work, const Error& why) {
  context_.log.error("tandem.app", "an instance could not be made", {{"error", why.message}});
  context_.observer.call_ended(GuestObserver::End::kRejected, {});
  refuse(work);
}

void GuestPool::refuse(Work& work) {
  constexpr std::string_view kWhy = "the app is busy or stopping; try again";
  if (work.event) return work.event->end(fail(Code::kUnavailable, std::string(kWhy)));
  work.exchange->respond(503, kRetryAfter, std::string(kWhy) + "\n");
}

void GuestPool::arm() {
  if (std::exchange(armed_, true)) return;
  context_.worker.post_after(kTick, [ticker = ticker_] {
    if (ticker->pool) ticker->pool->tick();
  });
}

void GuestPool::tick() {
  armed_ = false;
  const auto now = GuestInstance::Clock::now();
  std::vector<GuestInstance*> expired;
  for (const auto& guest : guests_) {
    if (guest->busy() && guest->deadline() <= now) expired.push_back(guest.get());
  }
  for (GuestInstance* guest : expired) {
    guest->expire();
    --busy_;
    remove(*guest);
  }
  std::vector<Work> late;
  std::erase_if(queue_, [&](Waiting& waiting) {
    if (waiting.deadline > now) return false;
    late.push_back(std::move(waiting.work));
    return true;
  });
  for (const Work& work : late) {
    context_.observer.call_ended(GuestObserver::End::kDeadline, {});
    if (work.event) {
      work.event->end(fail(Code::kDeadlineExceeded, "the app had no instance free in time"));
    } else {
      work.exchange->respond(504, kPlainText, "the app had no instance free in time\n");
    }
  }
  if (!expired.empty()) serve_queue();
  check_stopped();
  if (busy_ > 0 || !queue_.empty()) arm();
}

void GuestPool::arm_sweep() {
  if (guests_.size() <= min_ || std::exchange(sweep_armed_, true)) return;
  context_.worker.post_after(context_.options.idle_timeout, [ticker = ticker_] {
    if (ticker->pool) ticker->pool->sweep();
  });
}

void GuestPool::sweep() {
  sweep_armed_ = false;
  const auto now = GuestInstance::Clock::now();
  // The longest idle are at the front.
  while (guests_.size() > min_ && !idle_.empty() &&
         now - idle_.front()->idle_since() >= context_.options.idle_timeout) {
    remove(*idle_.front());
  }
  arm_sweep();
}

Status GuestPool::warm_up() {
  while (guests_.size() < min_) {
    Result<GuestInstance*> guest = make();
    if (!guest) return fail(std::move(guest.error()));
    const std::size_t made = guests_.size();
    run(**guest);
    // The next one would fare no better.
    if (guests_.size() < made) return fail(Code::kInvalidArgument, "an instance has trapped while it was started");
  }
  return {};
}

void GuestPool::when_idle(Task idle) {
  idle_once_ = std::move(idle);
  check_stopped();
}

void GuestPool::stop(Task idle) {
  stopping_ = true;
  stopped_ = std::move(idle);
  for (Waiting& waiting : queue_) refuse(waiting.work);
  queue_.clear();
  check_stopped();
}

void GuestPool::check_stopped() {
  if (busy_ > 0) return;
  if (queue_.empty() && idle_once_) std::exchange(idle_once_, nullptr)();
  if (stopping_ && stopped_) std::exchange(stopped_, nullptr)();
}

void GuestPool::clear() {
  idle_.clear();
  const std::vector<std::unique_ptr<GuestInstance>> last = std::move(guests_);
}

}  // namespace tandem::app
