// For tests: an exchange in memory, its body cut into pieces, its answer kept after it is gone.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http.h"

namespace tandem::api::http {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Answer {
  int count = 0;  // how often the exchange was answered: once is right
  int status = 0;
  HeaderList headers;
  std::string body;
  bool finished = false;
  bool aborted = false;

  std::optional<std::string> header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (net::equals_ignoring_case(key, name)) return value;
    }
    return std::nullopt;
  }
};

struct Request {
  std::string method = "GET";
  std::string target = "/";
  HeaderList headers;
  std::string body;
  // 0: the body is there as a whole; else it is read in pieces of so many bytes.
  std::size_t piece = 0;
};

// Reads that wait until the test lets them go on.
struct PausedReads {
  std::vector<Task> waiting;

  void run_all() {
    while (!waiting.empty()) {
      Task task = std::move(waiting.back());
      waiting.pop_back();
      task();
    }
  }
};

class FakeExchange final : public net::Exchange, private net::BodySource {
 public:
  // Without `paused` every read completes in place.
  FakeExchange(Request request, std::shared_ptr<Answer> answer, PausedReads* paused = nullptr)
      : request_(std::move(request)), answer_(std::move(answer)), paused_(paused) {
    for (const auto& [name, value] : request_.headers) headers_.push_back({name, value});
    head_ = {request_.method, "http", "localhost:3500", request_.target, headers_};
  }
  ~FakeExchange() override {
    if (answer_->count == 0) answer_->status = 500;
  }

  const net::RequestHead& head() const override { return head_; }
  net::BodySource& body() override { return *this; }
  CallContext& context() override { return context_; }

  void respond(int status, net::Headers headers, std::string_view body) override {
    start(status, headers);
    answer_->body = body;
    answer_->finished = true;
  }
  void start(int status, net::Headers headers) override {
    ++answer_->count;
    answer_->status = status;
    for (const net::Header& header : headers) answer_->headers.emplace_back(header.name, header.value);
  }
  void write(std::string_view piece, Completion<void> done) override {
    answer_->body += piece;
    done({});
  }
  void finish(net::Headers) override { answer_->finished = true; }
  void abort() override { answer_->aborted = true; }
  bool gone() const override { return false; }

 private:
  void read(Completion<std::string_view> done) override {
    if (paused_ == nullptr) {
      done(next_piece());
      return;
    }
    paused_->waiting.emplace_back([this, done = std::move(done)]() mutable { done(next_piece()); });
  }
  std::optional<std::string_view> take_whole() override {
    if (request_.piece != 0 || paused_ != nullptr) return std::nullopt;
    return request_.body;
  }
  std::string_view next_piece() {
    const std::string_view piece =
        std::string_view(request_.body).substr(at_, request_.piece == 0 ? 1 : request_.piece);
    at_ += piece.size();
    return piece;
  }

  Request request_;
  std::shared_ptr<Answer> answer_;
  PausedReads* paused_;
  std::vector<net::Header> headers_;
  net::RequestHead head_;
  CallContext context_;
  std::size_t at_ = 0;
};

}  // namespace tandem::api::http
