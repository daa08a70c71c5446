#include "policy/guarded_invocation.h"

#include <algorithm>
#include <utility>

#include "blocks/invoke/invoke_service.h"

namespace tandem::policy {
namespace {

bool is_success(int status) { return status >= 200 && status <= 399; }

// net/'s own functions are not for this room.
bool says_its_length(net::Headers headers) {
  constexpr std::string_view kName = "content-length";
  return std::ranges::any_of(headers, [&](const net::Header& header) {
    return std::ranges::equal(
        header.name, kName, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
  });
}

}  // namespace

// What an attempt's callee reads: the kept body from its start, or the caller's own.
class GuardedInvocation::Body final : public net::BodySource {
 public:
  explicit Body(std::shared_ptr<GuardedInvocation> call) : call_(std::move(call)) {}

  void read(Completion<std::string_view> done) override {
    if (call_->body_) return done(rest());
    if (!call_->caller_) return done(fail(Code::kCancelled, "the caller waits no more"));
    call_->reading_ = std::move(done);
    call_->caller_->body().read([call = call_](Result<std::string_view> piece) {
      if (auto reader = std::exchange(call->reading_, nullptr)) reader(std::move(piece));
    });
  }
  std::optional<std::string_view> take_whole() override {
    if (call_->body_) return rest();
    return call_->caller_ ? call_->caller_->body().take_whole() : std::nullopt;
  }
  net::Headers trailers() const override {
    return call_->caller_ && !call_->body_ ? call_->caller_->body().trailers() : net::Headers();
  }

 private:
  std::string_view rest() { return std::exchange(taken_, true) ? std::string_view() : std::string_view(*call_->body_); }

  const std::shared_ptr<GuardedInvocation> call_;
  bool taken_ = false;
};

// One attempt's exchange. What it answers is the caller's, or nobody's.
class GuardedInvocation::Attempted final : public net::Exchange {
 public:
  Attempted(std::shared_ptr<GuardedInvocation> call, const Attempt& attempt)
      : call_(std::move(call)), attempt_(attempt), context_(call_->context_), body_(call_) {
    context_.deadline = attempt.deadline;
  }
  ~Attempted() override {
    if (state_ == State::kUnanswered) respond(500, {}, {});
    if (state_ == State::kPassing) abort();
  }

  const net::RequestHead& head() const override { return call_->head_; }
  net::BodySource& body() override { return body_; }
  CallContext& context() override { return context_; }
  // A failure that is passed on is under way no more, and the caller still gets the rest of it.
  bool gone() const override {
    if (!call_->caller_ || call_->caller_->gone()) return true;
    return state_ != State::kPassing && !call_->is_under_way(attempt_);
  }

  void respond(int status, net::Headers headers, std::string_view body) override {
    if (!open(status)) return;
    state_ = State::kOver;
    if (is_success(status) && call_->ended(attempt_, Outcome::kSuccess) == Next::kStale) return;
    call_->caller_->respond(status, headers, body);
    call_->release();
  }
  void start(int status, net::Headers headers) override {
    if (!open(status)) return;
    good_ = is_success(status);
    call_->passing_ = true;
    call_->caller_->start(status, headers);
  }
  void write(std::string_view piece, Completion<void> done) override {
    if (state_ != State::kPassing || !call_->caller_) return done(fail(Code::kCancelled, "nobody wants the answer"));
    call_->caller_->write(piece, std::move(done));
  }
  void finish(net::Headers trailers) override {
    if (!close(Outcome::kSuccess)) return;
    call_->caller_->finish(trailers);
    call_->release();
  }
  void abort() override {
    if (state_ == State::kUnanswered) return refuse(make_error(Code::kUnavailable, "the answer was cut off"));
    if (!close(Outcome::kFinalFailure)) return;
    call_->caller_->abort();
    call_->release();
  }
  void refuse(const Error& error) override {
    if (state_ != State::kUnanswered) return abort();
    state_ = State::kOver;
    const Outcome outcome = call_->body_ ? Outcome::kFailure : Outcome::kFinalFailure;
    if (call_->ended(attempt_, outcome) == Next::kOver) call_->refuse(error);
  }

 private:
  enum class State { kUnanswered, kPassing, kOver };

  // Whether an answer that begins now is for the caller.
  bool open(int status) {
    if (state_ != State::kUnanswered) return false;
    state_ = call_->accept(attempt_, status) ? State::kPassing : State::kOver;
    return state_ == State::kPassing;
  }
  // Whether the end of an answer is for the caller. A failure was told when it began.
  bool close(Outcome outcome) {
    if (std::exchange(state_, State::kOver) != State::kPassing) return false;
    if (good_ && call_->ended(attempt_, outcome) == Next::kStale) return false;
    return call_->caller_ != nullptr;
  }

  const std::shared_ptr<GuardedInvocation> call_;
  const Attempt attempt_;
  CallContext context_;
  Body body_;
  State state_ = State::kUnanswered;
  bool good_ = false;
};

void GuardedInvocation::start(Protection protection, TimedExecutor& executor, net::Handler& next,
                              std::unique_ptr<net::Exchange> exchange) {
  const std::shared_ptr<GuardedInvocation> call(
      new GuardedInvocation(std::move(protection), executor, next, std::move(exchange)));
  call->collect_body();
}

GuardedInvocation::GuardedInvocation(Protection protection, TimedExecutor& executor, net::Handler& next,
                                     std::unique_ptr<net::Exchange> exchange)
    : GuardedCall(std::move(protection), executor, exchange->context().deadline),
      next_(next),
      caller_(std::move(exchange)),
      context_(caller_->context()) {
  const net::RequestHead& head = caller_->head();
  method_ = head.method;
  scheme_ = head.scheme;
  authority_ = head.authority;
  target_ = head.target;
  header_texts_.reserve(head.headers.size());
  headers_.reserve(head.headers.size());
  for (const net::Header& header : head.headers) {
    const auto& [name, value] = header_texts_.emplace_back(header.name, header.value);
    headers_.push_back({name, value});
  }
  head_ = {.method = method_, .scheme = scheme_, .authority = authority_, .target = target_, .headers = headers_};
}

void GuardedInvocation::collect_body() {
  const auto& retry = guard().retry();
  if (!retry || retry->max_retries == 0) return begin();
  if (const auto whole = caller_->body().take_whole()) {
    body_ = *whole;
    return begin();
  }
  // Whoever sends a body piece by piece, without a length, sends it once.
  if (!says_its_length(headers_)) return begin();
  take_piece(std::string_view());
}

// An empty piece before the first one: read on.
void GuardedInvocation::take_piece(Result<std::string_view> piece) {
  if (!piece) return refuse(piece.error());
  collected_ += *piece;
  caller_->body().read(
      [self = std::static_pointer_cast<GuardedInvocation>(shared_from_this())](Result<std::string_view> next) {
        if (!self->caller_) return;
        if (!next || !next->empty()) return self->take_piece(std::move(next));
        self->body_ = std::move(self->collected_);
        self->begin();
      });
}

void GuardedInvocation::attempt(const Attempt& attempt) {
  auto self = std::static_pointer_cast<GuardedInvocation>(shared_from_this());
  next_.handle(std::make_unique<Attempted>(std::move(self), attempt));
}

// The list of deadlines has a thread of its own.
void GuardedInvocation::expired(std::uint32_t attempt) {
  executor().post([self = std::static_pointer_cast<GuardedInvocation>(shared_from_this()), attempt] {
    self->GuardedCall::expired(attempt);
  });
}

bool GuardedInvocation::may_repeat() { return body_ && !passing_ && caller_ && !caller_->gone(); }

void GuardedInvocation::refuse(Error error) {
  if (!caller_) return;
  if (passing_) {
    caller_->abort();
  } else {
    const bool open = is_breaker_error(error);
    if (open) error.code = Code::kUnknown;
    if (open || is_timeout_error(error)) error.reason = invoke::kStoppedByPolicy;
    caller_->refuse(error);
  }
  release();
}

bool GuardedInvocation::accept(const Attempt& attempt, int status) {
  if (!caller_) return false;
  if (is_success(status)) return is_under_way(attempt);
  return ended(attempt, body_ ? Outcome::kFailure : Outcome::kFinalFailure, status) == Next::kOver;
}

void GuardedInvocation::release() {
  // Later: whoever answers may be inside a call of the caller's exchange.
  if (auto reader = std::exchange(reading_, nullptr)) {
    executor().post(
        [reader = std::move(reader)]() mutable { reader(fail(Code::kCancelled, "the caller waits no more")); });
  }
  caller_.reset();
}

}  // namespace tandem::policy
