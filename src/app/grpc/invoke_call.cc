#include "app/grpc/invoke_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "app/grpc/on_invoke.h"

namespace tandem::app::grpc {
namespace {

std::chrono::system_clock::time_point wall_time(SteadyTime time) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time - std::chrono::steady_clock::now());
}

}  // namespace

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
  context.set_deadline(wall_time(std::min(latest, exchange_->context().deadline)));
}

void InvokeCall::reply(const ::grpc::Status& status, const ::grpc::ClientContext* asked) {
  const InvokeReply reply = invoke_reply(status, asked, response);
  std::vector<net::Header> headers;
  headers.reserve(reply.headers.size());
  for (const auto& [name, value] : reply.headers) headers.push_back({name, value});
  exchange_->respond(reply.status, headers, reply.body);
  end();
}

void InvokeCall::refuse(std::string_view cause) {
  exchange_->refuse(make_error(Code::kInternal, std::string(cause)));
  end();
}

void InvokeCall::end() {
  const auto self = shared_from_this();
  exchange_.reset();
  lane_.erase(self);
}

}  // namespace tandem::app::grpc
