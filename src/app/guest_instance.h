// One instance of an app's guest and the call that it runs: between an Exchange and the engine's events, or a call of
// another export (host/guest_call.h).
//
// Owned by its GuestPool; that worker's thread only. start() takes a call when the instance is idle; poll() runs it,
// through the pool's PollGate. The exchange is given back when its answer is over and its body is read, even if the
// guest runs on: the instance keeps a copy of the head then, and the connection goes on with its next request. Giving
// it back waits until the poll has returned, so that this next request finds the instance idle.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/answer_stream.h"
#include "app/guest_options.h"
#include "app/outbound.h"
#include "base/log.h"
#include "engine/instance.h"
#include "host/guest_call.h"
#include "host/guest_caller.h"
#include "net/worker.h"

namespace tandem::app {

// What all instances of one pool share.
struct GuestContext {
  const engine::Program& program;
  const GuestOptions& options;
  const Logger& log;
  host::HostServices& services;
  net::Worker& worker;
  Outbound& outbound;
  GuestObserver& observer;
  host::GuestExports exports;
  std::shared_ptr<configuration::Listener> updates;  // of configuration, on their way to the app; null: it takes none
};

// What an instance is given to do: one of the two.
struct Work {
  std::unique_ptr<net::Exchange> exchange;
  std::unique_ptr<host::GuestCall> event;

  // Nobody waits for it any more.
  bool gone() const { return exchange && exchange->gone(); }
  SteadyTime deadline() const { return exchange ? exchange->context().deadline : event->context().deadline; }
};

class GuestPool;

class GuestInstance final : public host::GuestCaller {
 public:
  using Clock = std::chrono::steady_clock;

  static Result<std::unique_ptr<GuestInstance>> make(GuestPool& pool, GuestContext& context);
  ~GuestInstance() override;

  // Only while idle. Poll afterwards.
  void start(Work work);
  // Inside the pool's gate only. What it leaves in finished() is destroyed after it.
  engine::PollState poll();
  // The call has run out of time: answers for it. The instance must be destroyed then.
  void expire();

  bool busy() const { return busy_; }
  Clock::time_point deadline() const { return deadline_; }
  Clock::time_point idle_since() const { return idle_since_; }
  // Used up by one of the limits.
  bool worn_out() const;
  void drop_finished() { finished_.reset(); }
  // After a poll that left the call running: gives back an exchange that the guest needs no more.
  void give_back_exchange();

  // host::GuestCaller
  const CallContext& context() const override { return call_; }
  Executor& executor() override { return shared_.worker; }
  std::size_t worker_index() const override { return shared_.worker.index(); }
  std::shared_ptr<configuration::Listener> configuration_listener() override { return shared_.updates; }
  host::HostServices& services() override { return shared_.services; }
  const host::GuestSettings& settings() const override { return shared_.options.settings; }

  // engine::InstanceEvents
  void on_wake() override;
  void on_log(engine::LogStream stream, std::string_view line) override;
  void on_answer(int status, engine::Fields headers, std::string_view body, engine::AnswerPart part) override;
  void on_answer_error(std::string_view error) override;
  void on_answer_body(std::string_view piece) override;
  void on_answer_end(engine::Fields trailers) override;
  void on_answer_cut() override;
  void on_want_body() override;
  void on_done(engine::Outcome outcome, bool answered, std::string_view error) override;
  void on_http_send(tdm_exchange* exchange, const tdm_request& request, const tdm_timeouts& timeouts) override;
  void on_http_body(tdm_exchange* exchange, std::string_view piece) override;
  void on_http_body_end(tdm_exchange* exchange, bool complete, engine::Fields trailers) override;
  void on_http_want_body(tdm_exchange* exchange) override;
  void on_http_cancel(tdm_exchange* exchange) override;

 private:
  // Outlives the instance in the completions of body reads; `instance` is null after it, `call` counts its calls.
  struct Token {
    GuestInstance* instance;
    std::uint64_t call = 0;
  };

  GuestInstance(GuestPool& pool, GuestContext& context);
  void begin(SteadyTime deadline, TraceContext trace);
  void start_exchange();
  void finish_event(engine::Outcome outcome, std::string_view error);
  void call_over(GuestObserver::End end);
  void fill_request(const net::RequestHead& head);
  void own_request();
  net::BodySource& request_body();
  engine::Fields request_trailers();
  std::string_view trace_id() const;
  GuestPool& pool_;
  GuestContext& shared_;
  std::unique_ptr<engine::Instance> instance_;
  const std::shared_ptr<Token> token_;
  const Clock::time_point made_at_;

  // The running call.
  bool busy_ = false;
  bool answer_over_ = false;
  bool body_over_ = false;                   // the guest has all of the request's body
  std::unique_ptr<net::Exchange> exchange_;  // until the answer streams
  std::shared_ptr<AnswerStream> stream_;     // from then on
  std::unique_ptr<net::Exchange> finished_;
  std::unique_ptr<host::GuestCall> event_;  // a call of another export: there is no exchange then
  tdm_request request_{};
  std::vector<tdm_header> request_headers_;
  std::vector<tdm_header> trailers_;
  std::string owned_request_;  // what request_ points to when the exchange is gone
  CallContext call_;
  Clock::time_point started_{};
  Clock::time_point deadline_{};
  Clock::time_point idle_since_{};
  std::vector<net::Header> scratch_;
};

}  // namespace tandem::app
