#include "app/guest_instance.h"

#include <algorithm>
#include <utility>

#include "app/guest_pool.h"

namespace tandem::app {
namespace {

constexpr net::Header kPlainText{"content-type", "text/plain; charset=utf-8"};

void answer_text(net::Exchange& exchange, int status, std::string_view text) {
  exchange.respond(status, net::Headers(&kPlainText, 1), text);
}

}  // namespace

Result<std::unique_ptr<GuestInstance>> GuestInstance::make(GuestPool& pool, GuestContext& context) {
  std::unique_ptr<GuestInstance> guest(new GuestInstance(pool, context));
  auto instance = engine::Instance::make(context.program, *guest, context.worker);
  if (!instance) return fail(std::move(instance.error()));
  guest->instance_ = std::move(*instance);
  context.observer.instance_made();
  return guest;
}

GuestInstance::GuestInstance(GuestPool& pool, GuestContext& context)
    : pool_(pool),
      shared_(context),
      token_(std::make_shared<Token>(Token{this})),
      made_at_(Clock::now()),
      idle_since_(made_at_) {
  call_.app_id = context.options.app_id;
  call_.origin = CallOrigin::kGuest;
}

GuestInstance::~GuestInstance() {
  token_->instance = nullptr;
  if (stream_) stream_->detach();
  if (instance_) {
    instance_.reset();
    shared_.observer.instance_gone();
  }
}

void GuestInstance::fill_request(const net::RequestHead& head) {
  request_headers_.clear();
  bool traced = false;
  for (const net::Header& header : head.headers) {
    traced |= net::equals_ignoring_case(header.name, "traceparent");
    request_headers_.push_back({engine::span(header.name), engine::span(header.value)});
  }
  if (!traced && !call_.trace.traceparent.empty()) {
    request_headers_.push_back({engine::span("traceparent"), engine::span(call_.trace.traceparent)});
  }
  request_.method = engine::span(head.method);
  request_.scheme = engine::span(head.scheme);
  request_.authority = engine::span(head.authority);
  request_.target = engine::span(head.target);
  request_.headers = request_headers_.data();
  request_.headers_count = request_headers_.size();
}

// Copies the head into memory of our own: the engine reads it through request_ each time that the guest asks.
void GuestInstance::own_request() {
  std::vector<tdm_str*> parts{&request_.method, &request_.scheme, &request_.authority, &request_.target};
  for (tdm_header& header : request_headers_) {
    parts.push_back(&header.name);
    parts.push_back(&header.value);
  }
  std::size_t size = 0;
  for (const tdm_str* part : parts) size += part->len;
  owned_request_.clear();
  owned_request_.reserve(size);
  for (tdm_str* part : parts) {
    const std::size_t at = owned_request_.size();
    owned_request_ += engine::view(*part);
    *part = engine::span(std::string_view(owned_request_).substr(at));
  }
  // The engine has copied the rest.
  request_.body = engine::span({});
  request_.trailers_count = 0;
}

void GuestInstance::give_back_exchange() {
  if (!busy_ || !answer_over_ || !body_over_ || (!exchange_ && !stream_)) return;
  own_request();
  if (stream_) {
    stream_->detach();
    stream_.reset();
  }
  exchange_.reset();
}

void GuestInstance::start(Work work) {
  exchange_ = std::move(work.exchange);
  event_ = std::move(work.event);
  if (exchange_) return start_exchange();
  begin(event_->context().deadline, event_->context().trace);
  answer_over_ = body_over_ = true;
  event_->begin(*instance_);
}

void GuestInstance::begin(SteadyTime deadline, TraceContext trace) {
  busy_ = true;
  ++token_->call;
  call_.trace = std::move(trace);
  started_ = Clock::now();
  deadline_ = std::min(deadline, started_ + shared_.options.request_timeout);
  call_.deadline = deadline_;
}

void GuestInstance::start_exchange() {
  CallContext& incoming = exchange_->context();
  begin(incoming.deadline, std::move(incoming.trace));
  answer_over_ = false;
  fill_request(exchange_->head());
  const std::optional<std::string_view> body = exchange_->body().take_whole();
  request_.body = engine::span(body.value_or(std::string_view{}));
  request_.body_whole = body_over_ = body.has_value();
  const engine::Fields trailers = body_over_ ? request_trailers() : engine::Fields();
  request_.trailers = trailers.data();
  request_.trailers_count = trailers.size();
  instance_->start(request_);
}

engine::PollState GuestInstance::poll() { return instance_->poll(); }

void GuestInstance::expire() {
  shared_.log.warn("tandem.app", "a call ran out of time and its instance was stopped",
                   {{"target", event_ ? event_->name() : engine::view(request_.target)}, {"trace_id", trace_id()}});
  if (event_) {
    event_->end(fail(Code::kDeadlineExceeded, "the app did not answer in time"));
  } else if (exchange_) {
    answer_text(*exchange_, 504, "the app did not answer in time\n");
  } else if (stream_) {
    stream_->cut();
  }
  shared_.observer.call_ended(GuestObserver::End::kDeadline, Clock::now() - started_);
}

bool GuestInstance::worn_out() const {
  const GuestOptions& options = shared_.options;
  return options.isolation == config::Isolation::kRequest || token_->call >= options.instance_max_requests ||
         idle_since_ - made_at_ >= options.instance_max_age ||
         instance_->memory_bytes() >= options.instance_retire_bytes ||
         instance_->resource_count() >= options.instance_max_handles;
}

// 00-<32 hex digits of the trace>-…
std::string_view GuestInstance::trace_id() const {
  const std::string_view parent = call_.trace.traceparent;
  return parent.size() >= 35 ? parent.substr(3, 32) : std::string_view{};
}

void GuestInstance::on_wake() { pool_.run(*this); }

void GuestInstance::on_log(engine::LogStream stream, std::string_view line) {
  shared_.log.info("app", line,
                   {{"stream", stream == engine::LogStream::kStdout ? "stdout" : "stderr"}, {"trace_id", trace_id()}});
}

void GuestInstance::on_answer(int status, engine::Fields headers, std::string_view body, engine::AnswerPart part) {
  scratch_.clear();
  append_headers(headers, scratch_);
  if (part == engine::AnswerPart::kFirst) {
    stream_ = std::make_shared<AnswerStream>(std::move(exchange_), *instance_);
    stream_->start(status, scratch_, body);
    return;
  }
  answer_over_ = true;
  if (exchange_->head().method == "HEAD" && net::find_header(scratch_, "content-length")) {
    exchange_->start(status, scratch_);
    exchange_->finish();
    return;
  }
  exchange_->respond(status, scratch_, body);
}

void GuestInstance::on_answer_error(std::string_view error) {
  shared_.log.warn("tandem.app", "the guest answered with an error", {{"error", error}, {"trace_id", trace_id()}});
  answer_over_ = true;
  answer_text(*exchange_, 500, "the app answered with an error\n");
}

void GuestInstance::on_answer_body(std::string_view piece) { stream_->write(piece); }
void GuestInstance::on_answer_end(engine::Fields trailers) {
  answer_over_ = true;
  stream_->finish(trailers);
}
void GuestInstance::on_answer_cut() {
  answer_over_ = true;
  stream_->cut();
}

net::BodySource& GuestInstance::request_body() { return stream_ ? stream_->exchange().body() : exchange_->body(); }

// What followed the body that has been read, until the next call.
engine::Fields GuestInstance::request_trailers() {
  trailers_.clear();
  for (const net::Header& trailer : request_body().trailers()) {
    trailers_.push_back({engine::span(trailer.name), engine::span(trailer.value)});
  }
  return trailers_;
}

void GuestInstance::on_want_body() {
  if (event_) return;
  request_body().read([token = token_, call = token_->call](Result<std::string_view> piece) {
    if (!token->instance || token->call != call || !token->instance->busy_) return;
    engine::Instance& instance = *token->instance->instance_;
    token->instance->body_over_ = !piece || piece->empty();
    if (!piece) {
      instance.body_broken();
    } else if (piece->empty()) {
      instance.body_complete(token->instance->request_trailers());
    } else {
      instance.body(*piece);
    }
  });
}

void GuestInstance::call_over(GuestObserver::End end) {
  const Clock::time_point now = Clock::now();
  shared_.observer.call_ended(end, now - started_);
  idle_since_ = now;
  busy_ = false;
}

void GuestInstance::finish_event(engine::Outcome outcome, std::string_view error) {
  // What the end of it sets off finds the instance as it is.
  const std::unique_ptr<host::GuestCall> event = std::move(event_);
  const bool failed = outcome == engine::Outcome::kFailed;
  call_over(failed ? GuestObserver::End::kTrapped : GuestObserver::End::kAnswered);
  if (!failed) return event->end({});
  shared_.log.error("tandem.app", "the guest failed",
                    {{"error", error}, {"export", event->name()}, {"trace_id", trace_id()}});
  event->end(fail(Code::kInternal, "the app failed: " + std::string(error)));
}

void GuestInstance::on_done(engine::Outcome outcome, bool answered, std::string_view error) {
  using End = GuestObserver::End;
  if (event_) return finish_event(outcome, error);
  End end = End::kAnswered;
  if (outcome == engine::Outcome::kFailed) {
    end = End::kTrapped;
    shared_.log.error("tandem.app", "the guest failed", {{"error", error}, {"trace_id", trace_id()}});
    if (!answered) answer_text(*exchange_, 500, "the app failed\n");
  } else if (!answered) {
    end = End::kUnanswered;
    shared_.log.error("tandem.app", "the guest returned without an answer", {{"trace_id", trace_id()}});
    answer_text(*exchange_, 502, "the app gave no answer\n");
  }
  call_over(end);
  if (stream_) {
    stream_->detach();
    stream_.reset();
  }
  finished_ = std::move(exchange_);
}

void GuestInstance::on_http_send(tdm_exchange* exchange, const tdm_request& request, const tdm_timeouts& timeouts) {
  shared_.outbound.send(exchange, request, timeouts, call_);
}
void GuestInstance::on_http_body(tdm_exchange* exchange, std::string_view piece) { Outbound::body(exchange, piece); }
void GuestInstance::on_http_body_end(tdm_exchange* exchange, bool complete, engine::Fields trailers) {
  Outbound::body_end(exchange, complete, trailers);
}
void GuestInstance::on_http_want_body(tdm_exchange* exchange) { Outbound::want_body(exchange); }
void GuestInstance::on_http_cancel(tdm_exchange* exchange) { Outbound::cancel(exchange); }

}  // namespace tandem::app
