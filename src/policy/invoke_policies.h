// The resiliency policies of invocations, by who calls: stands in the one place through which all of them go.
//
// Owned by the server; outlives the workers' last use. add() before the workers start, pass() on the worker of the
// exchange, or for a call of gRPC's on any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "blocks/invoke/invoke_service.h"
#include "policy/resilience.h"

namespace tandem::policy {

class InvokePolicies final : public invoke::CallGuard {
 public:
  // The executors of the workers, by their numbers.
  explicit InvokePolicies(std::vector<TimedExecutor*> workers) : workers_(std::move(workers)) {}

  // Of one app's calls; it outlives them.
  void add(std::string app_id, Resilience& resilience) { callers_.emplace(std::move(app_id), &resilience); }
  bool empty() const { return callers_.empty(); }
  // Whether the caller has policies of its own for that callee.
  bool names(std::string_view caller, std::string_view callee) const;

  void pass(const Call& call, std::unique_ptr<net::Exchange> exchange) override;
  void pass(Rpc rpc, RpcAttempt attempt, Completion<SharedRpcAnswer> done) override;

 private:
  const std::vector<TimedExecutor*> workers_;
  std::map<std::string, Resilience*, std::less<>> callers_;
};

}  // namespace tandem::policy
