#include "app/ask_app.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "blocks/invoke/caller_headers.h"
#include "net/in_process.h"

namespace tandem::app {
namespace {

constexpr std::size_t kMaxAnswerBytes = 1024 * 1024;

}  // namespace

void ask_app(net::Handler& handler, const std::string& app_id, std::string_view target,
             std::chrono::milliseconds timeout, Completion<CollectedAnswer> done) {
  net::OwnedRequest request;
  request.authority = app_id;
  request.target = target;
  request.headers = {{"content-type", "application/json"}, {std::string(invoke::kAppId), app_id}};
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + timeout;
  handler.handle(net::make_in_process_exchange(std::move(request), std::string(), std::move(context),
                                               std::make_unique<CollectSink>(kMaxAnswerBytes, std::move(done))));
}

}  // namespace tandem::app
