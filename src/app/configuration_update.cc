#include "app/configuration_update.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "app/collect_sink.h"
#include "blocks/configuration/update_request.h"
#include "net/in_process.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxAnswerBytes = 64 * 1024;

}  // namespace

void post_update(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout,
                 const configuration::Update& update, Completion<void> done) {
  std::string body = configuration::update_body(update);
  net::OwnedRequest request;
  request.method = "POST";
  request.authority = app_id;
  request.target = configuration::update_path(update);
  request.headers.push_back({"content-type", "application/json"});
  request.headers.push_back({"content-length", std::to_string(body.size())});
  CallContext context;
  context.deadline =
      std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(timeout, configuration::kUpdateTimeout);
  auto sink = std::make_unique<CollectSink>(
      kMaxAnswerBytes, [done = std::move(done)](const Result<CollectedAnswer>& answer) mutable {
        if (!answer) return done(fail(answer.error()));
        if (answer->status == 200) return done({});
        done(fail(Code::kInternal,
                  fmt::format("error sending configuration item to application, status {}", answer->status)));
      });
  handler.handle(
      net::make_in_process_exchange(std::move(request), std::move(body), std::move(context), std::move(sink)));
}

}  // namespace tandem::app
