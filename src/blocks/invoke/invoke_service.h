// Service invocation: finds the app behind an app id.
//
// An app is an Endpoint: a net::Handler for each worker, because an exchange never changes its worker. The door that
// took the request (api/http, a guest's outgoing HTTP, the invoke interface of WIT) rewrites the target and the
// authority and hands it over. add() is called before the workers start; find() and resolve() from any worker. Source:
// https://docs.dapr.io/reference/api/service_invocation_api/.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call_context.h"
#include "base/completion.h"
#include "base/result.h"
#include "blocks/invoke/method.h"
#include "net/http.h"

namespace tandem::invoke {

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // The app's handler on worker number `worker`; lives as long as the endpoint.
  virtual net::Handler& handler(std::size_t worker) = 0;
};

// An app that was found. The views live as long as the service and the target that was looked for.
struct Callee {
  std::string_view app_id;     // without a namespace
  std::string_view authority;  // what the app's requests name as their host
  Endpoint* endpoint = nullptr;
  // Not of this process: the endpoint is the one for all others, and the authority is the target, by which it knows
  // whom a request is for. Whether there is such an app, it finds out.
  bool elsewhere = false;
  MethodIn method_in = MethodIn::kPath;
};

// One invocation that has found its callee.
struct Invocation {
  std::string_view caller;  // app id
  std::string_view target;  // the callee as the caller names it
  std::string_view method;  // without the leading slash
  const Callee& callee;
  std::size_t worker = 0;
  bool is_external = false;  // found by find_external()
};

// The reason of an error that is none of the callee's: the caller's own policies have stopped the call. The code and
// the message are what daprd's gRPC API answers then.
inline constexpr std::string_view kStoppedByPolicy = "STOPPED_BY_POLICY";

// Stands between a caller and the app that it invokes. Any worker; outlives the service's last call.
class CallGuard {
 public:
  // `endpoint` is the part of the target that is called, by daprd's names for it ("orders:checkout").
  struct Call {
    std::string_view caller;
    std::string_view target;
    std::string endpoint;
    net::Handler& next;
    std::size_t worker;
  };

  // An invocation that is a call of gRPC's and no exchange: an attempt at it, and its answer.
  class RpcAnswer {
   public:
    virtual ~RpcAnswer() = default;
    // kFinalFailure: nobody wants another attempt.
    enum class Outcome { kSuccess, kFailure, kFinalFailure };
    virtual Outcome outcome() const = 0;
  };
  using SharedRpcAnswer = std::shared_ptr<RpcAnswer>;
  using RpcAttempt = std::move_only_function<void(SteadyTime deadline, Completion<SharedRpcAnswer> done)>;
  struct Rpc {
    const CallContext& context;  // its app id is the caller
    std::string_view target;
    std::string endpoint;
  };

  virtual ~CallGuard() = default;
  // Hands the exchange to `call.next`, or several in its place, one after the other; or refuses it.
  virtual void pass(const Call& call, std::unique_ptr<net::Exchange> exchange) = 0;
  // Makes one attempt or several; `done` gets the answer of the last one, or an error with kStoppedByPolicy. Any
  // thread.
  virtual void pass(Rpc rpc, RpcAttempt attempt, Completion<SharedRpcAnswer> done) = 0;
};

class InvokeService final {
 public:
  // `name_space` is that of the process: "default" where NAMESPACE is not set, as in daprd.
  explicit InvokeService(std::string name_space = "default") : name_space_(std::move(name_space)) {}

  // `endpoint` outlives the service. `authority`: where the app itself is reached, its app id when empty. Fails when
  // the id is taken.
  Status add(std::string app_id, Endpoint& endpoint, std::string authority = {}, MethodIn method_in = MethodIn::kPath);
  // Who takes requests for the apps that are not of this process; it outlives the service. Before the workers start.
  void set_elsewhere(Endpoint& endpoint) { elsewhere_ = &endpoint; }
  // A server outside Dapr that `caller` may invoke by this name (an HTTPEndpoint resource of its folders). Its name
  // goes before an app's. Fails when the caller has one of that name already.
  Status add_external(std::string caller, std::string name, std::string base_url, Endpoint& endpoint);
  // What full URLs lead to, for every caller; none before this is called.
  void serve_urls(Endpoint& endpoint) { urls_ = &endpoint; }
  // The server outside Dapr that `target` names, if it names one: "name", "name.namespace" or a URL. The callee's
  // authority is the base URL, which the endpoint's handlers take from the head that they are given; for a URL the
  // views are views of `target`. Ask before find().
  std::optional<Callee> find_external(std::string_view caller, std::string_view target) const;

  // `target` is "id" or "id.namespace". Fails with reason ERR_DIRECT_INVOKE and Dapr's message: kNotFound when nobody
  // has that id in that namespace, kInvalidArgument when it has more dots.
  Result<Callee> find(std::string_view target) const;
  Result<Endpoint*> resolve(std::string_view target) const;
  // Brings the exchange to the callee's handler on that worker, past the guard when there is one.
  void hand_over(const Invocation& invocation, std::unique_ptr<net::Exchange> exchange) const;
  // The same for a target that was found before, on another thread perhaps; one that is there no more is refused.
  void hand_over(std::string_view caller, std::string_view target, std::string_view method, std::size_t worker,
                 std::unique_ptr<net::Exchange> exchange) const;
  // A call of gRPC's to an app of this process, past the guard when there is one.
  void pass(const CallContext& context, std::string_view target, std::string_view method, CallGuard::RpcAttempt attempt,
            Completion<CallGuard::SharedRpcAnswer> done) const;
  // Before the workers start.
  void set_guard(CallGuard& guard) { guard_ = &guard; }
  const std::string& name_space() const { return name_space_; }
  std::vector<std::string> app_ids() const;

 private:
  struct App {
    Endpoint* endpoint = nullptr;
    std::string authority;
    MethodIn method_in = MethodIn::kPath;
  };

  std::string name_space_;
  Endpoint* elsewhere_ = nullptr;
  std::map<std::string, App, std::less<>> apps_;
  std::map<std::string, std::map<std::string, App, std::less<>>, std::less<>> external_;  // by caller and name
  Endpoint* urls_ = nullptr;
  CallGuard* guard_ = nullptr;
};

}  // namespace tandem::invoke
