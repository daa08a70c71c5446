#include "policy/invoke_policies.h"

#include <utility>

#include "policy/guarded_invocation.h"
#include "policy/guarded_operation.h"

namespace tandem::policy {

bool InvokePolicies::names(std::string_view caller, std::string_view callee) const {
  const auto found = callers_.find(caller);
  return found != callers_.end() && found->second->names_app(callee);
}

void InvokePolicies::pass(const Call& call, std::unique_ptr<net::Exchange> exchange) {
  const auto found = callers_.find(call.caller);
  if (found == callers_.end()) return call.next.handle(std::move(exchange));
  Protection protection = found->second->app(call.target, call.endpoint);
  if (!protection) return call.next.handle(std::move(exchange));
  GuardedInvocation::start(std::move(protection), *workers_[call.worker], call.next, std::move(exchange));
}

void InvokePolicies::pass(Rpc rpc, RpcAttempt attempt, Completion<SharedRpcAnswer> done) {
  const auto found = callers_.find(rpc.context.app_id);
  Protection protection = found == callers_.end() ? Protection() : found->second->app(rpc.target, rpc.endpoint);
  if (!protection) return attempt(rpc.context.deadline, std::move(done));
  using Operation = GuardedOperation<SharedRpcAnswer>;
  Operation::start(
      std::move(protection), rpc.context,
      [attempt = std::move(attempt)](const CallContext& context, Completion<SharedRpcAnswer> ended) mutable {
        attempt(context.deadline, std::move(ended));
      },
      [done = std::move(done)](Result<SharedRpcAnswer> answer) mutable {
        if (!answer) {
          if (is_breaker_error(answer.error())) answer.error().code = Code::kUnknown;
          answer.error().reason = invoke::kStoppedByPolicy;
        }
        done(std::move(answer));
      },
      [](const Result<SharedRpcAnswer>& answer) {
        using enum RpcAnswer::Outcome;
        const RpcAnswer::Outcome outcome = answer ? (*answer)->outcome() : kFailure;
        return outcome == kSuccess   ? Operation::Judgement::kGood
               : outcome == kFailure ? Operation::Judgement::kBad
                                     : Operation::Judgement::kHopeless;
      });
}

}  // namespace tandem::policy
