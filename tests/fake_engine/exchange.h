// A guest's own outgoing HTTP exchange in the fake engine.
#pragma once

#include <atomic>
#include <string>

#include "body.h"
#include "contract.h"
#include "instance.h"

struct tdm_exchange final : tandem::fake::Tracked {
  explicit tdm_exchange(tdm_instance& owner) : instance(&owner) {}

  // The guest's side. With `with_body` the guest writes to `out` and ends it.
  std::string method = "GET";
  std::string scheme;
  std::string authority;
  std::string target;
  tandem::fake::OwnedHeaders headers;
  bool with_body = false;
  tandem::fake::BodyOut out;
  enum class State { kWaiting, kAnswered, kFailed };
  State state = State::kWaiting;
  std::uint16_t status = 0;
  tandem::fake::OwnedHeaders answer_headers;
  int error = 0;
  std::string error_text;
  tandem::fake::BodyIn body;

  // The guest lets go of it.
  void cancel();
  // Tells C++ what is new; false when nothing will ever be.
  bool flush();
  void instance_gone();
  // C++ may still say something that the guest hears.
  bool heard() const { return instance != nullptr && !cancelled_; }

  tdm_instance* instance;  // null once it is gone
  bool pushed = false;     // C++ gave a piece and the guest has not asked for the next
  std::atomic<void*> user{nullptr};

 private:
  void send();
  void flush_out();

  bool sent_ = false;
  bool out_over_ = false;
  bool cancelled_ = false;
  bool cancel_told_ = false;
};

namespace tandem::fake {

// The guest's hold on an exchange.
class Hold final {
 public:
  Hold() = default;
  explicit Hold(tdm_exchange& exchange) : exchange_(&exchange) {}
  ~Hold() { drop(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  // `made` is sent at the end of the poll.
  void set(tdm_exchange& made) { exchange_ = &made; }
  void drop() {
    if (exchange_) std::exchange(exchange_, nullptr)->cancel();
  }
  tdm_exchange* operator->() const { return exchange_; }
  explicit operator bool() const { return exchange_ != nullptr; }

 private:
  tdm_exchange* exchange_ = nullptr;
};

}  // namespace tandem::fake
