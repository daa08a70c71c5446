#include "guest_door.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <utility>

#include "exchanges.h"
#include "host/host_interfaces.h"
#include "wire.h"

namespace tandem::conformance {
namespace {

constexpr std::string_view kGuests = TANDEM_GUESTS_DIR;
constexpr std::chrono::seconds kPatience{20};

}  // namespace

std::string GuestDoor::missing() {
  return kGuests.empty() ? "this build has the fake engine, which runs no guests" : "";
}

std::unique_ptr<GuestDoor> GuestDoor::make(std::size_t instances) {
  const std::string path = std::string(kGuests) + "/conformance_calls.wasm";
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    ADD_FAILURE() << "cannot read " << path << "; ./dev guests conformance_calls builds it";
    return nullptr;
  }
  std::ostringstream bytes;
  bytes << file.rdbuf();
  std::unique_ptr<GuestDoor> door(new GuestDoor(instances));
  if (const Status loaded = door->load(bytes.view()); !loaded) {
    ADD_FAILURE() << path << ": " << loaded.error().message;
    return nullptr;
  }
  return door;
}

GuestDoor::GuestDoor(std::size_t instances)
    : instances_(instances), log_({.level = LogLevel::kError}), workers_(instances > 1 ? 2 : 1) {
  for (std::size_t i = 0; i < workers_.size(); ++i) gates_.push_back(std::make_unique<app::PollGate>());
  workers_.start();
}

GuestDoor::~GuestDoor() {
  for (const auto& [app_id, app] : apps_) app->stop(std::chrono::steady_clock::now() + kPatience);
  workers_.stop();
}

Status GuestDoor::load(std::string_view bytes) {
  // Few slots: no case has more than a handful of apps. Each case is a process of its own in ctest; all but the first
  // map what that one has compiled.
  auto runtime = engine::Runtime::make({.max_instances = 64, .cache_folder = TANDEM_MODULE_CACHE});
  if (!runtime) return fail(std::move(runtime.error()));
  runtime_ = std::move(*runtime);
  auto module = engine::Module::load(*runtime_, bytes);
  if (!module) return fail(std::move(module.error()));
  module_ = std::move(*module);
  return {};
}

app::GuestApp& GuestDoor::app(const std::string& app_id, host::HostServices& services) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<app::GuestApp>& app = apps_[app_id];
  if (app) return *app;
  auto linker = engine::Linker::make(*runtime_).value();
  const Status linked = host::link_host_interfaces(linker->raw(), {});
  EXPECT_TRUE(linked.has_value()) << linked.error().message;
  auto program = engine::Program::make(*module_, *linker, {});
  EXPECT_TRUE(program.has_value()) << program.error().message;
  app::GuestOptions options;
  options.app_id = app_id;
  options.max_instances = instances_;
  options.request_timeout = kPatience;
  std::vector<app::WorkerResources> workers;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers.push_back({.worker = &workers_[i], .gate = gates_[i].get()});
  }
  app = std::make_unique<app::GuestApp>(std::move(options), std::move(program.value()), config::OutboundHosts(), log_,
                                        services, observer_, std::move(workers));
  return *app;
}

Result<std::string> GuestDoor::call(app::GuestApp& app, std::string_view function, std::string arguments) {
  const std::size_t worker = calls_.fetch_add(1, std::memory_order_relaxed) % workers_.size();
  net::OwnedRequest request;
  request.method = "POST";
  request.authority = app.options().app_id;
  request.target = "/call/" + std::string(function);
  Result<Answer> answer = ask(workers_[worker], app.handler(worker), std::move(request), std::move(arguments));
  if (!answer) return fail(std::move(answer.error()));
  if (answer->status == 200) return std::move(answer->body);
  // What the guest says of a failed call is in the guest's form; an answer in its place is text.
  if (answer->status != 500 || !answer->header("content-type").empty()) {
    ADD_FAILURE() << function << ": " << answer->status << " " << answer->body;
    return fail(Code::kInternal, answer->body);
  }
  WireReader reader(answer->body);
  const int code = std::stoi("0" + reader.text());
  std::string reason = reader.text();
  return fail(static_cast<Code>(code), std::move(reason), reader.text());
}

}  // namespace tandem::conformance
