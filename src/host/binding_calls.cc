#include "host/binding_calls.h"

#include <span>
#include <utility>

#include "host/guest_reply.h"
#include "tandem_wit.h"

namespace tandem::host {
namespace {

using bindings::AppAnswer;

std::vector<std::string> texts_of(const tdm_str* all, std::size_t count) {
  std::vector<std::string> texts;
  texts.reserve(count);
  for (const tdm_str& one : std::span(all, count)) texts.emplace_back(view(one));
  return texts;
}

Result<AppAnswer> answer_of(const tdm_binding_response* response, tdm_str why) {
  if (response == nullptr) {
    return fail(Code::kUnavailable, "the app has not taken the event: " + std::string(view(why)));
  }
  return AppAnswer{.data = std::string(view(response->data)),
                   .to = texts_of(response->to, response->to_count),
                   .order = response->parallel ? AppAnswer::Order::kParallel : AppAnswer::Order::kSequential};
}

class BindingCall final : public GuestCall {
 public:
  BindingCall(bindings::AppEvent event, SteadyTime deadline, Completion<AppAnswer> done)
      : event_(std::move(event)), noted_(std::move(done)) {
    context_.deadline = deadline;
    context_.trace = event_.trace;
  }

  std::string_view name() const override { return "binding-handler.handle"; }
  const CallContext& context() const override { return context_; }

  void begin(engine::Instance& instance) override {
    metadata_ = spans_of(event_.metadata);
    raw_ = {.binding = span(event_.binding),
            .data = span(event_.data),
            .metadata = metadata_.data(),
            .metadata_count = metadata_.size()};
    const auto answer = [](void* call, const tdm_binding_response* response, tdm_str why) {
      static_cast<BindingCall*>(call)->noted_.note(answer_of(response, why));
    };
    tdm_binding_handle(instance.raw(), &raw_, answer, this);
  }

  void end(Status outcome) override { noted_.end(std::move(outcome)); }

 private:
  const bindings::AppEvent event_;
  CallContext context_;
  std::vector<tdm_header> metadata_;
  tdm_binding_event raw_{};
  NotedAnswer<AppAnswer> noted_;
};

class NamesCall final : public GuestCall {
 public:
  using Names = std::vector<std::string>;

  NamesCall(SteadyTime deadline, Completion<Names> done) : noted_(std::move(done)) { context_.deadline = deadline; }

  std::string_view name() const override { return "binding-handler.bindings"; }
  const CallContext& context() const override { return context_; }

  void begin(engine::Instance& instance) override {
    const auto answer = [](void* call, const tdm_str* names, std::size_t count) {
      static_cast<NamesCall*>(call)->noted_.note(texts_of(names, count));
    };
    tdm_binding_names(instance.raw(), answer, this);
  }

  void end(Status outcome) override { noted_.end(std::move(outcome)); }

 private:
  CallContext context_;
  NotedAnswer<Names> noted_;
};

}  // namespace

std::unique_ptr<GuestCall> make_binding_call(bindings::AppEvent event, SteadyTime deadline,
                                             Completion<AppAnswer> done) {
  return std::make_unique<BindingCall>(std::move(event), deadline, std::move(done));
}

std::unique_ptr<GuestCall> make_binding_names_call(SteadyTime deadline, Completion<std::vector<std::string>> done) {
  return std::make_unique<NamesCall>(deadline, std::move(done));
}

}  // namespace tandem::host
