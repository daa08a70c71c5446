// For tests: what the handlers of test servers do.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "net/http.h"

namespace tandem::net {

inline void ok(std::unique_ptr<Exchange> exchange) { exchange->respond(200, {}, "ok"); }

// "POST http host /target name=value;name=value; body"
inline std::string description_of(Exchange& exchange) {
  const RequestHead& head = exchange.head();
  std::string text = std::string(head.method) + " " + std::string(head.scheme) + " " + std::string(head.authority) +
                     " " + std::string(head.target) + " ";
  for (const Header& header : head.headers) text.append(header.name).append("=").append(header.value).append(";");
  return text + " " + std::string(exchange.body().take_whole().value_or("(streamed)"));
}

// Sends back what comes, piece by piece, and the trailers.
class Echo final : public std::enable_shared_from_this<Echo> {
 public:
  explicit Echo(std::unique_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  void start() {
    exchange_->start(200, {});
    next();
  }

 private:
  void next() {
    exchange_->body().read([self = shared_from_this()](Result<std::string_view> piece) {
      if (!piece) return self->exchange_->abort();
      if (piece->empty()) return self->exchange_->finish(self->exchange_->body().trailers());
      self->exchange_->write(*piece, [self](Status status) {
        if (status) self->next();
      });
    });
  }
  std::unique_ptr<Exchange> exchange_;
};

inline void echo(std::unique_ptr<Exchange> exchange) { std::make_shared<Echo>(std::move(exchange))->start(); }

// Reads the body and answers with how that went.
inline void report_read(std::unique_ptr<Exchange> exchange) {
  auto held = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
  auto next = std::make_shared<std::function<void()>>();
  *next = [held, next] {
    (*held)->body().read([held, next](Result<std::string_view> piece) {
      if (piece && !piece->empty()) return (*next)();
      (*held)->respond(piece ? 200 : 400, {}, piece ? "complete" : code_name(piece.error().code));
      held->reset();
      *next = nullptr;
    });
  };
  const auto first = *next;
  first();
}

}  // namespace tandem::net
