// An invocation under policies: the caller's exchange, and those that are made for its callee in its place.
//
// As in daprd, an answer from 200 to 399 is a success and streams to the caller as it comes, its end within the
// time-out too; any other one may be retried, and so may an app that cannot be reached. What was not retried, or no
// more, is the caller's answer. A body that cannot be kept, because it has not arrived and says no length, is sent
// once. All of it on the worker of the exchange; lives until the last attempt's exchange has gone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http.h"
#include "policy/guarded_call.h"

namespace tandem::policy {

class GuardedInvocation final : public GuardedCall {
 public:
  // `executor` is that of the worker that this is called on. `next` outlives the calls.
  static void start(Protection protection, TimedExecutor& executor, net::Handler& next,
                    std::unique_ptr<net::Exchange> exchange);

  void expired(std::uint32_t attempt) override;

 private:
  class Attempted;
  class Body;

  GuardedInvocation(Protection protection, TimedExecutor& executor, net::Handler& next,
                    std::unique_ptr<net::Exchange> exchange);

  void collect_body();
  void take_piece(Result<std::string_view> piece);

  void attempt(const Attempt& attempt) override;
  void refuse(Error error) override;
  bool may_repeat() override;

  // Whether the answer of this status is the caller's; its end is still to come when it is a success.
  bool accept(const Attempt& attempt, int status);
  // The caller's exchange is done with; whoever waits for its body hears so.
  void release();

  net::Handler& next_;
  std::unique_ptr<net::Exchange> caller_;  // until it is answered
  // Copies, for attempts that outlive the caller's exchange.
  std::string method_;
  std::string scheme_;
  std::string authority_;
  std::string target_;
  std::vector<std::pair<std::string, std::string>> header_texts_;
  std::vector<net::Header> headers_;
  net::RequestHead head_;
  CallContext context_;
  std::optional<std::string> body_;  // kept for every attempt; none: it streams, once
  std::string collected_;
  Completion<std::string_view> reading_;  // of the streamed body
  bool passing_ = false;                  // an answer is on its way to the caller
};

}  // namespace tandem::policy
