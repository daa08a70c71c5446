#include "app/no_app.h"

namespace tandem::app {
namespace {

constexpr std::string_view kWhy = "cannot invoke local endpoint: app channel not initialized";

}  // namespace

void NoApp::Door::handle(std::unique_ptr<net::Exchange> exchange) {
  exchange->refuse(make_error(Code::kInternal, std::string(kWhy)));
}

void NoApp::deliver(pubsub::Delivery, Completion<pubsub::Verdict> done) {
  done(fail(Code::kUnavailable, std::string(kWhy)));
}

void NoApp::take(bindings::AppEvent, Completion<bindings::AppAnswer> done) {
  done(fail(Code::kUnavailable, std::string(kWhy)));
}

void NoApp::list_subscriptions(Completion<std::vector<config::Subscription>> done) { done({}); }

void NoApp::list_bindings(std::vector<bindings::BindingService::Input>, Completion<std::vector<std::string>> done) {
  done({});
}

void NoApp::probe_health(std::chrono::milliseconds, Completion<void> done) {
  done(fail(Code::kUnavailable, std::string(kWhy)));
}

}  // namespace tandem::app
