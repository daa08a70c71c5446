#include "exchanges.h"

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "net/response_sink.h"

namespace tandem::conformance {
namespace {

constexpr std::chrono::seconds kPatience{20};

class AnswerSink final : public net::ResponseSink {
 public:
  explicit AnswerSink(std::promise<Result<Answer>> promise) : promise_(std::move(promise)) {}
  void on_head(int status, net::Headers headers) override {
    answer_.status = status;
    for (const net::Header& header : headers) {
      answer_.headers.push_back({std::string(header.name), std::string(header.value)});
    }
  }
  void on_body(std::string_view piece, Completion<void> resume) override {
    answer_.body += piece;
    resume({});
  }
  void on_end(net::Headers) override { promise_.set_value(std::move(answer_)); }
  void on_error(Error error) override { promise_.set_value(fail(std::move(error))); }

 private:
  std::promise<Result<Answer>> promise_;
  Answer answer_;
};

}  // namespace

std::string Answer::header(std::string_view name) const {
  for (const net::OwnedHeader& header : headers) {
    if (net::equals_ignoring_case(header.name, name)) return header.value;
  }
  return "";
}

Result<Answer> ask(Executor& worker, net::Handler& handler, net::OwnedRequest request, std::string body) {
  std::promise<Result<Answer>> promise;
  std::future<Result<Answer>> future = promise.get_future();
  auto sink = std::make_unique<AnswerSink>(std::move(promise));
  worker.post([&handler, request = std::move(request), body = std::move(body), sink = std::move(sink)]() mutable {
    handler.handle(net::make_in_process_exchange(std::move(request), std::move(body), {}, std::move(sink)));
  });
  if (future.wait_for(kPatience) != std::future_status::ready) {
    return fail(Code::kDeadlineExceeded, "there is no answer");
  }
  return future.get();
}

}  // namespace tandem::conformance
