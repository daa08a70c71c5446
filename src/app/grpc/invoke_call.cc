#include "app/grpc/invoke_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "app/grpc/on_invoke.h"
#include "net/timeout_wheel.h"

namespace tandem::app::grpc {
namespace {

constexpr std::chrono::milliseconds kLook{500};  // how often it is looked for a caller that has left

std::chrono::system_clock::time_point wall_time(SteadyTime time) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time - std::chrono::steady_clock::now());
}

}  // namespace

class InvokeCall::Watch final : private net::TimeoutEntry {
 public:
  explicit Watch(InvokeCall& call) : call_(call) {}
  void arm() {
    call_.worker_.timeouts().arm(*this, std::min(std::chrono::steady_clock::now() + kLook, call_.deadline_));
  }

 private:
  void on_timeout() override { call_.look(); }

  InvokeCall& call_;
};

InvokeCall::InvokeCall(std::unique_ptr<net::Exchange> exchange, Lane& lane, net::Worker& worker)
    : exchange_(std::move(exchange)), lane_(lane), worker_(worker) {}

InvokeCall::~InvokeCall() = default;

void InvokeCall::gather(std::size_t limit, Task ready) {
  limit_ = limit;
  if (const auto whole = exchange_->body().take_whole()) {
    body_ = *whole;
    if (body_.size() <= limit_) return ready();
    return take(std::string_view(), std::move(ready));
  }
  read(std::move(ready));
}

void InvokeCall::read(Task ready) {
  exchange_->body().read([self = shared_from_this(), ready = std::move(ready)](Result<std::string_view> piece) mutable {
    self->take(std::move(piece), std::move(ready));
  });
}

void InvokeCall::take(Result<std::string_view> piece, Task ready) {
  if (!exchange_) return;
  if (!piece) return refuse(piece.error().message);
  body_ += *piece;
  if (body_.size() > limit_) {
    return reply({::grpc::StatusCode::RESOURCE_EXHAUSTED,
                  fmt::format("grpc: trying to send message larger than max ({} vs. {})", body_.size(), limit_)},
                 nullptr);
  }
  if (piece->empty()) return ready();
  read(std::move(ready));
}

void InvokeCall::prepare(const std::string& api_token, SteadyTime latest) {
  const net::RequestHead& head = exchange_->head();
  request = invoke_request(head);
  request.mutable_data()->set_value(std::move(body_));
  for (const auto& [key, value] : invoke_metadata(head)) context.AddMetadata(key, value);
  if (!api_token.empty()) context.AddMetadata("dapr-api-token", api_token);
  deadline_ = std::min(latest, exchange_->context().deadline);
  context.set_deadline(wall_time(deadline_));
  watch_ = std::make_unique<Watch>(*this);
  watch_->arm();
}

bool InvokeCall::begin() {
  const Turn next = std::chrono::steady_clock::now() < deadline_ ? Turn::kInside : Turn::kMissed;
  Turn waiting = Turn::kWaiting;
  return turn_.compare_exchange_strong(waiting, next) && next == Turn::kInside;
}

void InvokeCall::lapse() { reply({::grpc::StatusCode::DEADLINE_EXCEEDED, "context deadline exceeded"}, nullptr); }

void InvokeCall::look() {
  const bool left = exchange_->gone();
  if (!left && std::chrono::steady_clock::now() < deadline_) return watch_->arm();
  Turn turn = Turn::kWaiting;
  if (turn_.compare_exchange_strong(turn, Turn::kMissed)) {
    if (left) return end();
    return lapse();
  }
  // Its answer is on its way: of the library, which keeps the deadline itself, or of lapse().
  if (left && turn == Turn::kInside) context.TryCancel();
}

void InvokeCall::reply(const ::grpc::Status& status, const ::grpc::ClientContext* asked) {
  if (!exchange_) return;
  const InvokeReply reply = invoke_reply(status, asked, response);
  std::vector<net::Header> headers;
  headers.reserve(reply.headers.size());
  for (const auto& [name, value] : reply.headers) headers.push_back({name, value});
  exchange_->respond(reply.status, headers, reply.body);
  end();
}

void InvokeCall::refuse(std::string_view cause) {
  if (!exchange_) return;
  exchange_->refuse(make_error(Code::kInternal, std::string(cause)));
  end();
}

void InvokeCall::end() {
  const auto self = shared_from_this();
  watch_.reset();
  exchange_.reset();
  lane_.erase(self);
}

}  // namespace tandem::app::grpc
