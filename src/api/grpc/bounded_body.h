// The body of an app's answer on its way into one message of gRPC, which may have no more than so many bytes.
//
// Belongs to the answer that it is a part of, and to its thread.
#pragma once

#include <fmt/format.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace tandem::api::grpc {

class BoundedBody final {
 public:
  explicit BoundedBody(std::size_t limit) : limit_(limit) {}

  // Nothing is kept once the limit is passed.
  void add(std::string_view piece) {
    size_ += piece.size();
    if (size_ > limit_) {
      body_.clear();
    } else {
      body_ += piece;
    }
  }
  // RESOURCE_EXHAUSTED, in the words of grpc-go, when it is over the limit.
  ::grpc::Status status() const {
    if (size_ <= limit_) return ::grpc::Status::OK;
    return {::grpc::StatusCode::RESOURCE_EXHAUSTED,
            fmt::format("grpc: trying to send message larger than max ({} vs. {})", size_, limit_)};
  }
  std::string_view view() const { return body_; }
  std::string take() { return std::move(body_); }

 private:
  const std::size_t limit_;
  std::size_t size_ = 0;  // also of what is not kept
  std::string body_;
};

}  // namespace tandem::api::grpc
