#include "exchange.h"

using namespace tandem::fake;

void tdm_exchange::cancel() {
  cancelled_ = true;
  body.buffer.clear();
}

bool tdm_exchange::flush() {
  if (!sent_) {
    if (cancelled_) return false;
    send();
  } else {
    flush_out();
  }
  if (body.take_want()) {
    pushed = false;
    instance->tell(instance->events_.http_want_body, instance->user_, this);
  }
  if (!cancelled_) return true;
  if (!std::exchange(cancel_told_, true)) instance->tell(instance->events_.http_cancel, instance->user_, this);
  return false;
}

void tdm_exchange::send() {
  sent_ = true;
  live().exchanges.fetch_add(1, std::memory_order_relaxed);
  const std::string piece = std::exchange(out.buffer, {});
  const bool whole = !with_body || out.end == BodyOut::End::kFinished;
  out_over_ = whole;
  out.in_flight = !whole && !piece.empty();
  const std::vector<tdm_header> fields = spans_of(headers);
  const tdm_request request{.method = span(method),
                            .scheme = span(scheme),
                            .authority = span(authority),
                            .target = span(target),
                            .headers = fields.data(),
                            .headers_count = fields.size(),
                            .body = span(piece),
                            .body_whole = whole};
  const tdm_timeouts timeouts{};
  instance->tell(instance->events_.http_send, instance->user_, this, &request, &timeouts);
}

void tdm_exchange::flush_out() {
  if (out_over_) return;
  // A guest that lets go leaves its request unfinished.
  if (cancelled_ && out.end == BodyOut::End::kOpen) out.end = BodyOut::End::kCut;
  if (!out.buffer.empty() && !out.in_flight) {
    const std::string piece = std::exchange(out.buffer, {});
    out.in_flight = true;
    instance->tell(instance->events_.http_body, instance->user_, this, span(piece));
    instance->waker().fire();
  }
  if (out.buffer.empty() && out.end != BodyOut::End::kOpen) {
    out_over_ = true;
    instance->tell(instance->events_.http_body_end, instance->user_, this, out.end == BodyOut::End::kFinished,
                   static_cast<const tdm_header*>(nullptr), static_cast<size_t>(0));
  }
}

void tdm_exchange::instance_gone() {
  instance = nullptr;
  out = {};
  body = {};
}

namespace {

// The calling thread has the exchange and, while it lives, its instance.
class Using final {
 public:
  explicit Using(const tdm_exchange* exchange) : exchange_((check(exchange), *exchange)) {
    if (exchange->instance) instance_.emplace(*exchange->instance);
  }

 private:
  static void check(const tdm_exchange* exchange) {
    require(!exchange->over(), "an exchange is not used after its release");
  }
  const Tracked::Use exchange_;
  std::optional<Tracked::Use> instance_;
};

}  // namespace

void tdm_exchange_respond(tdm_exchange* exchange, uint16_t status, const tdm_header* headers, size_t headers_count) {
  const Using use(exchange);
  if (!exchange->heard()) return;
  require(exchange->state == tdm_exchange::State::kWaiting, "an exchange is answered once");
  exchange->state = tdm_exchange::State::kAnswered;
  exchange->status = status;
  for (std::size_t i = 0; i < headers_count; ++i) {
    exchange->answer_headers.emplace_back(view(headers[i].name), view(headers[i].value));
  }
  exchange->instance->waker().fire();
}

void tdm_exchange_body(tdm_exchange* exchange, tdm_str piece) {
  const Using use(exchange);
  if (!exchange->heard()) return;
  require(exchange->state == tdm_exchange::State::kAnswered, "the body of an exchange follows its head");
  require(!exchange->body.ended(), "nothing follows the end of an exchange's body");
  require(!std::exchange(exchange->pushed, true), "the next piece of a body follows http_want_body");
  exchange->body.asked = false;
  exchange->body.buffer += view(piece);
  exchange->instance->waker().fire();
}

void tdm_exchange_body_end(tdm_exchange* exchange, const tdm_header*, size_t) {
  const Using use(exchange);
  if (!exchange->heard()) return;
  require(exchange->state == tdm_exchange::State::kAnswered, "the body of an exchange follows its head");
  require(!exchange->body.ended(), "the body of an exchange ends once");
  exchange->body.complete = true;
  exchange->instance->waker().fire();
}

void tdm_exchange_fail(tdm_exchange* exchange, int error, tdm_str message) {
  const Using use(exchange);
  if (!exchange->heard()) return;
  require(exchange->state != tdm_exchange::State::kFailed, "an exchange fails once");
  require(!exchange->body.ended(), "nothing follows the end of an exchange's body");
  if (exchange->state == tdm_exchange::State::kWaiting) {
    exchange->state = tdm_exchange::State::kFailed;
    exchange->error = error;
    exchange->error_text = view(message);
  }
  exchange->body.broken = true;
  exchange->instance->waker().fire();
}

void tdm_exchange_drained(tdm_exchange* exchange) {
  const Using use(exchange);
  if (!exchange->heard()) return;
  require(std::exchange(exchange->out.in_flight, false), "only a piece that was given is drained");
  exchange->instance->waker().fire();
}

void tdm_exchange_set_user(tdm_exchange* exchange, void* user) {
  require(!exchange->over(), "an exchange is not used after its release");
  exchange->user.store(user, std::memory_order_relaxed);
}

void* tdm_exchange_get_user(const tdm_exchange* exchange) {
  require(!exchange->over(), "an exchange is not used after its release");
  return exchange->user.load(std::memory_order_relaxed);
}

void tdm_exchange_release(tdm_exchange* exchange) {
  if (exchange == nullptr) return;
  exchange->end("an exchange is released once");
  live().exchanges.fetch_sub(1, std::memory_order_relaxed);
}
