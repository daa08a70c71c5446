#include "instance.h"

#include "exchange.h"
#include "steps.h"

using namespace tandem::fake;

namespace tandem::fake {

std::vector<tdm_header> spans_of(const OwnedHeaders& headers) {
  std::vector<tdm_header> spans;
  for (const auto& [name, value] : headers) spans.push_back({span(name), span(value)});
  return spans;
}

namespace {

// Looks again as often before others get their turn.
constexpr int kMaxRounds = 64;

void mix(std::uint64_t& hash, tdm_str text) {
  for (const char c : view(text)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  hash = (hash ^ text.len) * 1099511628211ull;
}

// Of everything that `request` points to.
std::uint64_t fingerprint_of(const tdm_request& request) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const tdm_str text : {request.method, request.scheme, request.authority, request.target, request.body}) {
    mix(hash, text);
  }
  for (std::size_t i = 0; i < request.headers_count; ++i) {
    mix(hash, request.headers[i].name);
    mix(hash, request.headers[i].value);
  }
  return hash;
}

}  // namespace
}  // namespace tandem::fake

tdm_instance::tdm_instance(std::shared_ptr<const Program> program, const tdm_instance_events& events, void* user,
                           std::shared_ptr<Waker> waker)
    : program_(std::move(program)),
      events_(events),
      user_(user),
      waker_(std::move(waker)),
      serial_(program_->engine->next_instance.fetch_add(1, std::memory_order_relaxed)) {
  live().instances.fetch_add(1, std::memory_order_relaxed);
}

void tdm_instance::start(const tdm_request* request, void* call) {
  require(!dead_, "a dead instance takes no call");
  require(!running, "an instance takes a call when it is idle");
  running = true;
  accepted_ = false;
  request_ = request;
  fingerprint_ = fingerprint_of(*request);
  call_ = call;
  answer = {};
  body = {};
  body.buffer = view(request->body);
  body.complete = request->body_whole;
}

void tdm_instance::start_event(std::span<const tdm_header> headers, tdm_str text, void* call, Returned returned) {
  event_headers_.assign(headers.begin(), headers.end());
  event_request_ = {
      .headers = event_headers_.data(), .headers_count = event_headers_.size(), .body = text, .body_whole = true};
  start(&event_request_, call);
  verdict = "success";
  returned_ = std::move(returned);
}

void tdm_instance::stop() {
  steps_.clear();
  flush_exchanges();
  for (tdm_exchange* exchange : exchanges_) exchange->instance_gone();
  exchanges_.clear();
  answer = {};
  body = {};
  waker_.reset();
  live().instances.fetch_sub(1, std::memory_order_relaxed);
  program_->engine->slots_left.fetch_add(1, std::memory_order_relaxed);
}

int tdm_instance::poll() {
  if (dead_) return TDM_POLL_DEAD;
  for (int round = 0; round < kMaxRounds; ++round) {
    waker_->begin();
    if (!run()) {
      dead_ = true;
      steps_.clear();
      flush();
      return TDM_POLL_DEAD;
    }
    flush();
    if (std::exchange(yielded_, false)) {
      waker_->reschedule();
      return TDM_POLL_PENDING;
    }
    if (waker_->rest()) return running ? TDM_POLL_PENDING : TDM_POLL_IDLE;
  }
  waker_->reschedule();
  return TDM_POLL_PENDING;
}

bool tdm_instance::run() {
  try {
    if (!std::exchange(started_, true) && program_->script.fails_to_start) throw Trap{"the start function trapped"};
    if (running && !accepted_) begin_call();
    while (!steps_.empty()) {
      if (!steps_.front()->poll(*this)) return true;
      steps_.pop_front();
    }
    if (running && !finish_) end_steps();
  } catch (const Trap& trap) {
    if (running) finish_ = Finish{trap.message};
    return false;
  }
  // A command runs once.
  return !(finish_ && program_->script.kind == TDM_MODULE_P1_COMMAND);
}

void tdm_instance::begin_call() {
  accepted_ = true;
  ++calls_;
  add_steps(program_->script.steps);
}

void tdm_instance::add_steps(std::vector<StepText> steps) {
  std::vector<std::unique_ptr<Step>> made;
  for (StepText& text : steps) made.push_back(make_step(std::move(text)));
  // After the running one, before those that follow it.
  const auto at = steps_.empty() ? steps_.end() : steps_.begin() + 1;
  steps_.insert(at, std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
}

void tdm_instance::end_steps() {
  if (answer.kind == Answer::Kind::kResponse && answer.body.end == BodyOut::End::kOpen) {
    answer.body.end = BodyOut::End::kFinished;
  }
  finish_ = Finish{};
}

std::optional<std::string_view> tdm_instance::request_header(std::string_view name) const {
  for (std::size_t i = 0; i < request_->headers_count; ++i) {
    if (view(request_->headers[i].name) == name) return view(request_->headers[i].value);
  }
  return std::nullopt;
}

void tdm_instance::respond_streaming(std::uint16_t status, OwnedHeaders headers) {
  if (answer.kind != Answer::Kind::kNone) throw Trap{"the guest answered twice"};
  answer.kind = Answer::Kind::kResponse;
  answer.status = status;
  answer.headers = std::move(headers);
  answer.headers.emplace_back("fake-instance", std::to_string(serial_));
  answer.headers.emplace_back("fake-call", std::to_string(calls_));
}

void tdm_instance::respond(std::uint16_t status, OwnedHeaders headers, std::string_view text) {
  respond_streaming(status, std::move(headers));
  answer.body.buffer = text;
  answer.body.end = BodyOut::End::kFinished;
}

void tdm_instance::respond_error(std::string error) {
  if (answer.kind != Answer::Kind::kNone) throw Trap{"the guest answered twice"};
  answer.kind = Answer::Kind::kError;
  answer.error = std::move(error);
}

void tdm_instance::log(std::string_view line) { tell(events_.log, user_, TDM_STDOUT, span(line)); }

void tdm_instance::flush() {
  flush_exchanges();
  if (const std::optional<Finish> finish = std::exchange(finish_, std::nullopt)) return finish_call(*finish);
  if (returned_) return;
  flush_answer(Rest::kMore);
  if (running && body.take_want()) tell(events_.want_body, user_, call_);
}

void tdm_instance::flush_exchanges() {
  const std::vector<tdm_exchange*> now = std::exchange(exchanges_, {});
  for (tdm_exchange* exchange : now) {
    if (exchange->flush()) exchanges_.push_back(exchange);
  }
}

bool tdm_instance::flush_answer(Rest rest) {
  if (answer.kind == Answer::Kind::kNone) return false;
  if (answer.kind == Answer::Kind::kError) {
    if (!std::exchange(answer.head_sent, true)) tell(events_.answer_error, user_, call_, span(answer.error));
    return true;
  }
  if (answer.over) return true;
  BodyOut& out = answer.body;
  if (rest == Rest::kLast && out.end == BodyOut::End::kOpen) out.end = BodyOut::End::kCut;
  if (!answer.head_sent) {
    // Nothing has left: what cannot be completed is no answer at all.
    if (out.end == BodyOut::End::kCut) return false;
    answer.head_sent = true;
    const std::string piece = std::exchange(out.buffer, {});
    const std::vector<tdm_header> headers = spans_of(answer.headers);
    answer.over = out.end == BodyOut::End::kFinished;
    out.in_flight = !answer.over;
    tell(events_.answer, user_, call_, answer.status, headers.data(), headers.size(), span(piece), answer.over);
    if (answer.over) return true;
  }
  if (!out.buffer.empty() && (!out.in_flight || out.end != BodyOut::End::kOpen)) {
    const std::string piece = std::exchange(out.buffer, {});
    out.in_flight = true;
    tell(events_.answer_body, user_, call_, span(piece));
    // There is room again.
    waker_->fire();
  }
  if (out.buffer.empty() && out.end != BodyOut::End::kOpen) {
    answer.over = true;
    if (out.end == BodyOut::End::kCut) {
      tell(events_.answer_cut, user_, call_);
    } else {
      tell(events_.answer_end, user_, call_, static_cast<const tdm_header*>(nullptr), std::size_t{0});
    }
  }
  return true;
}

void tdm_instance::finish_call(const Finish& finish) {
  const Returned returned = std::exchange(returned_, nullptr);
  const bool answered = !returned && flush_answer(Rest::kLast);
  if (returned && !finish.trap) {
    const InCallback inside;
    returned(*this);
  }
  require(fingerprint_of(*request_) == fingerprint_, "a request and all it points to live until done");
  running = false;
  request_ = nullptr;
  const tdm_error error{TDM_ERROR_TRAP, finish.trap.value_or("")};
  tell(events_.done, user_, call_, finish.trap ? TDM_FAILED : TDM_RETURNED, answered,
       finish.trap ? &error : static_cast<const tdm_error*>(nullptr));
}
