#include "api/http/configuration_routes.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <utility>

#include "api/http/target.h"
#include "base/json.h"
#include "blocks/configuration/update_request.h"
#include "net/in_process.h"

namespace tandem::api::http {
namespace {

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

// Hears what the app says to an update.
class UpdateSink final : public net::ResponseSink {
 public:
  explicit UpdateSink(Completion<void> done) : done_(std::move(done)) {}

  bool on_whole(int status, net::Headers, std::string_view) override {
    tell(status);
    return true;
  }
  void on_head(int status, net::Headers) override { status_ = status; }
  void on_body(std::string_view, Completion<void> resume) override { resume({}); }
  void on_end(net::Headers) override { tell(status_); }
  void on_error(Error error) override { done_(fail(std::move(error))); }

 private:
  void tell(int status) {
    if (status == 200) return done_({});
    done_(fail(Code::kInternal, fmt::format("error sending configuration item to application, status {}", status)));
  }

  Completion<void> done_;
  int status_ = 0;
};

// The app of this door, as a subscriber.
class AppListener final : public configuration::Listener {
 public:
  explicit AppListener(const ApiOptions& api) : api_(api) {}

  void deliver(configuration::Update update, Completion<void> done) override {
    const auto app = api_.invoke.find(api_.app_id);
    if (!app) return done(fail(app.error()));
    std::string body = configuration::update_body(update);
    net::OwnedRequest request;
    request.method = "POST";
    request.authority = app->authority;
    request.target = configuration::update_path(update);
    request.headers.push_back({"content-type", "application/json"});
    request.headers.push_back({"content-length", std::to_string(body.size())});
    CallContext context;
    context.deadline = std::chrono::steady_clock::now() + configuration::kUpdateTimeout;
    app->endpoint->handler(api_.worker_index)
        .handle(net::make_in_process_exchange(std::move(request), std::move(body), std::move(context),
                                              std::make_unique<UpdateSink>(std::move(done))));
  }

 private:
  const ApiOptions& api_;
};

// {"ok":true} or {"message":…}, as Go leaves out what is false or empty.
void reply_unsubscribed(net::Exchange& exchange, const std::string& id, const Result<void>& result) {
  if (result) return reply_json(exchange, 200, "{\"ok\":true}\n");
  std::string body = "{";
  append_text(body, "message",
              fmt::format("failed to unsubscribe to configuration request {}: {}", id, result.error().message));
  body += "}\n";
  reply_json(exchange, 500, body);
}

}  // namespace

void get_configuration(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query) {
  const SharedExchange held = exchange;
  api.configuration.get({held->context(), api.worker}, store, query_values(query, "key"), query_metadata(query),
                        [exchange = std::move(exchange)](const Result<configuration::Items>& items) {
                          if (!items) return reply_error(*exchange, items.error());
                          if (items->empty()) return reply_empty(*exchange);
                          std::string body;
                          configuration::append_items(body, *items);
                          body += '\n';
                          reply_json(*exchange, 200, body);
                        });
}

void subscribe_configuration(const ApiOptions& api, SharedExchange exchange, std::string store,
                             std::string_view query) {
  if (const Status there = api.configuration.check_store(store, api.app_id); !there) {
    return reply_error(*exchange, there.error());
  }
  if (api.metadata.describe(api.app_id).connection.port == 0) {
    return reply_error(*exchange, {Code::kFailedPrecondition, "ERR_APP_CHANNEL_NIL",
                                   "app channel is not initialized. cannot subscribe to configuration updates"});
  }
  const SharedExchange held = exchange;
  api.configuration.subscribe({held->context(), api.worker}, store, query_values(query, "key"), query_metadata(query),
                              std::make_shared<AppListener>(api),
                              [exchange = std::move(exchange)](const Result<std::string>& id) {
                                if (!id) return reply_error(*exchange, id.error());
                                std::string body = "{";
                                append_text(body, "id", *id);
                                body += "}\n";
                                reply_json(*exchange, 200, body);
                              });
}

void unsubscribe_configuration(const ApiOptions& api, SharedExchange exchange, std::string store, std::string id) {
  if (const Status there = api.configuration.check_store(store, api.app_id); !there) {
    return reply_error(*exchange, there.error());
  }
  const SharedExchange held = exchange;
  std::string wanted = id;
  api.configuration.unsubscribe({held->context(), api.worker}, store, std::move(wanted),
                                [exchange = std::move(exchange), id = std::move(id)](const Result<void>& result) {
                                  reply_unsubscribed(*exchange, id, result);
                                });
}

}  // namespace tandem::api::http
