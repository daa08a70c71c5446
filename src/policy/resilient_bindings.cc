#include "policy/resilient_bindings.h"

#include "policy/guarded_operation.h"

namespace tandem::policy {
namespace {

using bindings::AppAnswer;
using bindings::InvokeAnswer;

GuardedOperation<InvokeAnswer>::Judgement judge_answer(const Result<InvokeAnswer>& answer) {
  using Judgement = GuardedOperation<InvokeAnswer>::Judgement;
  return answer && !answer->failure ? Judgement::kGood : Judgement::kBad;
}

GuardedOperation<AppAnswer>::Judgement judge_event(const Result<AppAnswer>& answer) {
  using Judgement = GuardedOperation<AppAnswer>::Judgement;
  if (answer) return Judgement::kGood;
  return answer.error().code == Code::kCancelled ? Judgement::kHopeless : Judgement::kBad;
}

}  // namespace

void ResilientOutputBinding::invoke(const CallContext& context, bindings::InvokeRequest request,
                                    Completion<InvokeAnswer> done) {
  const Protection* protection = protections_.find(context.app_id);
  if (protection == nullptr) return binding_->invoke(context, std::move(request), std::move(done));
  GuardedOperation<InvokeAnswer>::start(
      *protection, context,
      [this, request = std::move(request)](const CallContext& attempt, Completion<InvokeAnswer> ended) {
        binding_->invoke(attempt, request, std::move(ended));
      },
      std::move(done), judge_answer);
}

void ResilientInputSink::take(bindings::AppEvent event, Completion<AppAnswer> done) {
  Protection own;
  if (const auto found = protections_.find(event.binding)) {
    if (const Protection* const protection = found->find(app_id_)) own = *protection;
  }
  if (!own) return sink_.take(std::move(event), std::move(done));
  GuardedOperation<AppAnswer>::start(
      own, CallContext{},
      [this, event = std::move(event)](const CallContext&, Completion<AppAnswer> ended) {
        sink_.take(event, std::move(ended));
      },
      std::move(done), judge_event);
}

}  // namespace tandem::policy
