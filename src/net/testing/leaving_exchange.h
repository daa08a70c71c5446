// For tests: an exchange whose client leaves when the test says so, which shows in gone() and nowhere else.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "net/http.h"

namespace tandem::net {

class LeavingExchange final : public Exchange {
 public:
  // `left` may be set on any thread.
  LeavingExchange(std::unique_ptr<Exchange> inner, std::shared_ptr<const std::atomic<bool>> left)
      : inner_(std::move(inner)), left_(std::move(left)) {}

  const RequestHead& head() const override { return inner_->head(); }
  BodySource& body() override { return inner_->body(); }
  CallContext& context() override { return inner_->context(); }
  void respond(int status, Headers headers, std::string_view body) override { inner_->respond(status, headers, body); }
  void start(int status, Headers headers) override { inner_->start(status, headers); }
  void write(std::string_view piece, Completion<void> done) override { inner_->write(piece, std::move(done)); }
  void finish(Headers trailers) override { inner_->finish(trailers); }
  void abort() override { inner_->abort(); }
  void refuse(const Error& error) override { inner_->refuse(error); }
  bool gone() const override { return left_->load() || inner_->gone(); }

 private:
  const std::unique_ptr<Exchange> inner_;
  const std::shared_ptr<const std::atomic<bool>> left_;
};

}  // namespace tandem::net
