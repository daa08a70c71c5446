#include "policy/invoke_policies.h"

#include "policy/guarded_invocation.h"

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

}  // namespace tandem::policy
