#include "cli/outbound_wait.h"

#include <fmt/format.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/result.h"
#include "net/http_client.h"
#include "net/worker.h"

namespace tandem::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNoContent = 204;

// The status of the answer, or why there is none. A sink that is destroyed unanswered breaks the promise.
class StatusSink final : public net::ResponseSink {
 public:
  explicit StatusSink(std::promise<Result<int>> answer) : answer_(std::move(answer)) {}

  void on_head(int status, net::Headers) override { status_ = status; }
  void on_body(std::string_view, Completion<void> resume) override { resume({}); }
  void on_end(net::Headers) override { answer_.set_value(status_); }
  void on_error(Error error) override { answer_.set_value(fail(std::move(error))); }

 private:
  std::promise<Result<int>> answer_;
  int status_ = 0;
};

// Empty: it is ready.
std::string ask(net::Worker& worker, net::HttpClient& client, std::uint16_t port, std::chrono::milliseconds limit) {
  net::ClientRequest request;
  request.host = "localhost";
  request.port = port;
  request.target = "/v1.0/healthz/outbound";
  request.connect_timeout = limit;
  request.first_byte_timeout = limit;
  request.between_bytes_timeout = limit;
  std::promise<Result<int>> promise;
  std::future<Result<int>> answer = promise.get_future();
  worker.post(
      [&client, request = std::move(request), sink = std::make_unique<StatusSink>(std::move(promise))]() mutable {
        client.send(std::move(request), std::move(sink));
      });
  const Result<int> status = answer.get();
  if (!status) return status.error().message;
  return *status == kNoContent ? "" : fmt::format("HTTP status code {}", *status);
}

}  // namespace

bool wait_until_outbound_ready(std::uint16_t port, const std::function<void(std::string_view)>& say,
                               const WaitLimits& limits) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits.whole).count();
  say(
      fmt::format("Waiting for Dapr to be outbound ready (timeout: {} seconds): "
                  "url=http://localhost:{}/v1.0/healthz/outbound",
                  seconds, port));
  net::Workers workers(1);
  net::HttpClient client(workers[0]);
  workers.start();
  const auto end = Clock::now() + limits.whole;
  auto next_line = Clock::now();
  std::string error;
  do {
    error = ask(workers[0], client, port, limits.request);
    if (error.empty()) break;
    if (Clock::now() >= next_line) {
      next_line = Clock::now() + std::chrono::seconds(1);
      say(fmt::format("Dapr outbound NOT ready yet: {}", error));
    }
    std::this_thread::sleep_for(limits.pause);
  } while (Clock::now() < end);
  workers.stop();
  say(error.empty() ? "Dapr is outbound ready!"
                    : fmt::format("timeout waiting for Dapr to become outbound ready. Last error: {}", error));
  return error.empty();
}

}  // namespace tandem::cli
