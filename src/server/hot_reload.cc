#include "server/hot_reload.h"

#include <chrono>

namespace tandem::server {

Result<std::unique_ptr<HotReload>> HotReload::watch(const std::vector<std::string>& folders,
                                                    const std::vector<std::string>& files) {
  auto watch = FileWatch::open(folders, files);
  if (!watch) return fail(std::move(watch.error()));
  return std::unique_ptr<HotReload>(new HotReload(std::move(*watch)));
}

void HotReload::start(Steps steps) {
  steps_ = std::move(steps);
  thread_ = std::thread([this] { run(); });
}

void HotReload::run() {
  bool more = false;
  while (!files_->asked_to_end()) {
    const auto changed = files_->wait(more ? std::chrono::steady_clock::now() + kSweep : SteadyTime::max());
    if (files_->asked_to_end()) return;
    if (!changed.empty()) steps_.changed(changed);
    more = steps_.sweep();
  }
}

void HotReload::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace tandem::server
