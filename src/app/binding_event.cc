#include "app/binding_event.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <utility>

#include "app/collect_sink.h"
#include "app/metadata_headers.h"
#include "net/in_process.h"

namespace tandem::app {
namespace {

using Input = bindings::BindingService::Input;

constexpr std::string_view kScope = "tandem.bindings";
constexpr std::size_t kMaxAnswerBytes = std::size_t{4} << 20;  // as daprd's --max-body-size
constexpr std::size_t kShownBytes = 1024;                      // of a body, in a message
constexpr std::chrono::seconds kQuestionTime{3};

net::OwnedRequest request_of(std::string method, const std::string& app_id, const std::string& route) {
  net::OwnedRequest request;
  request.method = std::move(method);
  request.authority = app_id;
  request.target = route.starts_with('/') ? route : "/" + route;
  request.headers.push_back({"content-type", "application/json"});
  return request;
}

Result<bindings::AppAnswer> read_answer(Result<CollectedAnswer> answer) {
  if (!answer) return fail(answer.error().code, "error invoking app: " + answer.error().message);
  if (answer->status < 200 || answer->status > 299) {
    return fail(Code::kUnavailable,
                fmt::format("fails to send binding event to http app channel, status code: {} body: {}", answer->status,
                            std::string_view(answer->body).substr(0, kShownBytes)));
  }
  return bindings::AppAnswer{.data = std::move(answer->body), .to = {}};
}

// The questions to one app, one after the other.
struct Asking {
  net::Handler& handler;
  const std::string app_id;
  const Logger& log;
  const std::vector<Input> inputs;
  Completion<std::vector<std::string>> done;
  std::vector<std::string> wanted;
};

void ask_next(std::shared_ptr<Asking> asking, std::size_t next) {
  if (next == asking->inputs.size()) return asking->done(std::move(asking->wanted));
  const Input& input = asking->inputs[next];
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + kQuestionTime;
  net::Handler& handler = asking->handler;
  net::OwnedRequest request = request_of("OPTIONS", asking->app_id, input.route);
  auto sink = std::make_unique<CollectSink>(
      kMaxAnswerBytes, [asking = std::move(asking), next](const Result<CollectedAnswer>& answer) mutable {
        const Input& asked = asking->inputs[next];
        if (!answer) {
          asking->log.warn(kScope, "the app could not be asked whether it takes the events of a binding",
                           {{"binding", asked.name}, {"route", asked.route}, {"error", answer.error().message}});
        } else if (answer->status / 100 == 2 || answer->status == 405) {
          asking->wanted.push_back(asked.name);
        }
        ask_next(std::move(asking), next + 1);
      });
  handler.handle(net::make_in_process_exchange(std::move(request), std::string(), std::move(context), std::move(sink)));
}

}  // namespace

void post_event(net::Handler& handler, const std::string& app_id, std::chrono::milliseconds timeout, const Logger& log,
                bindings::AppEvent event, Completion<bindings::AppAnswer> done) {
  net::OwnedRequest request = request_of("POST", app_id, event.route);
  request.headers.push_back({"content-length", std::to_string(event.data.size())});
  if (!event.trace.traceparent.empty()) {
    request.headers.push_back({"traceparent", event.trace.traceparent});
    if (!event.trace.tracestate.empty()) request.headers.push_back({"tracestate", event.trace.tracestate});
  }
  const LeftOutMetadata left_out = add_metadata_headers(event.metadata, {}, request.headers);
  if (left_out.count > 0) {
    log.debug(kScope, "metadata of an event that makes no headers, or too many, is left out",
              {{"binding", event.binding}, {"count", std::to_string(left_out.count)}, {"first", left_out.first}});
  }
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + timeout;
  context.trace = std::move(event.trace);
  auto sink = std::make_unique<CollectSink>(
      kMaxAnswerBytes,
      [done = std::move(done)](Result<CollectedAnswer> answer) mutable { done(read_answer(std::move(answer))); });
  handler.handle(
      net::make_in_process_exchange(std::move(request), std::move(event.data), std::move(context), std::move(sink)));
}

void ask_for_bindings(net::Handler& handler, const std::string& app_id, const Logger& log, std::vector<Input> inputs,
                      Completion<std::vector<std::string>> done) {
  ask_next(
      std::make_shared<Asking>(handler, app_id, log, std::move(inputs), std::move(done), std::vector<std::string>()),
      0);
}

}  // namespace tandem::app
