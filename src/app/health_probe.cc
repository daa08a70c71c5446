#include "app/health_probe.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "net/in_process.h"

namespace tandem::app {
namespace {

// Of the answer only the status counts.
class ProbeSink final : public net::ResponseSink {
 public:
  explicit ProbeSink(Completion<void> done) : done_(std::move(done)) {}

  bool on_whole(int status, net::Headers, std::string_view) override {
    report(status);
    return true;
  }
  void on_head(int status, net::Headers) override { report(status); }
  void on_body(std::string_view, Completion<void> resume) override {
    resume(fail(Code::kCancelled, "a probe needs only the status"));
  }
  void on_end(net::Headers) override {}
  void on_error(Error error) override {
    if (done_) std::exchange(done_, nullptr)(fail(Code::kUnavailable, "Network error: " + error.message));
  }

 private:
  void report(int status) {
    if (!done_) return;
    if (status >= 200 && status < 300) return std::exchange(done_, nullptr)({});
    std::exchange(done_,
                  nullptr)(fail(Code::kUnavailable, fmt::format("Health check failed with status code: {}", status)));
  }

  Completion<void> done_;
};

}  // namespace

void probe_over_http(net::Handler& handler, const std::string& app_id, const std::string& path,
                     std::chrono::milliseconds timeout, Completion<void> done) {
  net::OwnedRequest request;
  request.authority = app_id;
  request.target = path;
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + timeout;
  handler.handle(net::make_in_process_exchange(std::move(request), std::string(), std::move(context),
                                               std::make_unique<ProbeSink>(std::move(done))));
}

void probe_over_client(net::Worker& worker, net::HttpClient& client, net::ClientRequest request,
                       std::chrono::milliseconds timeout, Completion<void> done) {
  struct Probe {
    Completion<void> done;
    net::ClientHandle handle;
  };
  const auto probe = std::make_shared<Probe>(Probe{std::move(done), {}});
  request.connect_timeout = timeout;
  request.first_byte_timeout = timeout;
  probe->handle = client.send(std::move(request), std::make_unique<ProbeSink>([probe](Status status) {
                                if (probe->done) std::exchange(probe->done, nullptr)(std::move(status));
                              }));
  if (!probe->done) return;
  worker.post_after(timeout, [probe] {
    if (!probe->done) return;
    probe->handle.cancel();
    std::exchange(probe->done, nullptr)(fail(Code::kUnavailable, "Network error: no answer in time"));
  });
}

}  // namespace tandem::app
