#include "policy/metered_handler.h"

#include <array>
#include <chrono>
#include <new>
#include <utility>

namespace tandem::policy {
namespace {

using Clock = std::chrono::steady_clock;

// The storage of exchanges that have gone, for the next ones of this thread.
class Spares final {
 public:
  Spares() = default;
  ~Spares() {
    while (count_ > 0) ::operator delete(blocks_[--count_]);
  }
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;

  void* take(std::size_t size) { return count_ > 0 ? blocks_[--count_] : ::operator new(size); }
  void put(void* block) noexcept {
    if (count_ == blocks_.size()) return ::operator delete(block);
    blocks_[count_++] = block;
  }

 private:
  std::array<void*, 64> blocks_{};
  std::size_t count_ = 0;
};

Spares& spares() {
  thread_local Spares of_this_thread;
  return of_this_thread;
}

class MeteredExchange final : public net::Exchange {
 public:
  MeteredExchange(std::unique_ptr<net::Exchange> inner, CallMeter& meter)
      : inner_(std::move(inner)), meter_(meter), started_(Clock::now()) {}
  ~MeteredExchange() override { end(status_ == 0 ? 500 : status_); }

  static void* operator new(std::size_t size) { return spares().take(size); }
  static void operator delete(void* block) noexcept { spares().put(block); }

  const net::RequestHead& head() const override { return inner_->head(); }
  net::BodySource& body() override { return inner_->body(); }
  CallContext& context() override { return inner_->context(); }
  bool gone() const override { return inner_->gone(); }

  // Told before the last of the answer leaves: whoever gets it finds it counted.
  void respond(int status, net::Headers headers, std::string_view body) override {
    if (status_ == 0) {
      status_ = status;
      count(body);
      end(status);
    }
    inner_->respond(status, headers, body);
  }
  void start(int status, net::Headers headers) override {
    if (status_ == 0) status_ = status;
    inner_->start(status, headers);
  }
  void write(std::string_view piece, Completion<void> done) override {
    count(piece);
    inner_->write(piece, std::move(done));
  }
  void finish(net::Headers trailers) override {
    if (status_ != 0) end(status_);
    inner_->finish(trailers);
  }
  void abort() override { inner_->abort(); }
  void refuse(const Error& error) override {
    if (status_ == 0) {
      status_ = 500;
      end(status_);
    }
    inner_->refuse(error);
  }

 private:
  void count(std::string_view piece) {
    const bool carried = status_ != 204 && status_ != 304 && inner_->head().method != "HEAD";
    if (carried) response_bytes_ += piece.size();
  }
  void end(int status) {
    if (std::exchange(ended_, true)) return;
    const net::RequestHead& head = inner_->head();
    meter_.finished(head, {.method = head.method,
                           .target = head.target,
                           .status = status,
                           .response_bytes = response_bytes_,
                           .elapsed = Clock::now() - started_});
  }

  const std::unique_ptr<net::Exchange> inner_;
  CallMeter& meter_;
  const Clock::time_point started_;
  std::uint64_t response_bytes_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

}  // namespace

void MeteredHandler::handle(std::unique_ptr<net::Exchange> exchange) {
  meter_.started(exchange->head());
  next_.handle(std::make_unique<MeteredExchange>(std::move(exchange), meter_));
}

}  // namespace tandem::policy
