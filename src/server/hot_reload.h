// HotReload: the thread that takes over what changes on the disk while the server serves.
//
// Made by the server before anything is read, so that no change is missed; start() once everything serves. The steps
// run on its thread one after the other, and may wait. ask_to_stop() keeps further steps from beginning, stop() waits
// for the one that runs: before anything that the steps use goes.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/file_watch.h"

namespace tandem::server {

class HotReload final {
 public:
  struct Steps {
    // The folders and files that have changed.
    std::function<void(const std::set<std::string>&)> changed;
    // Closes what was replaced before and is not used any more. True: there is more, later.
    std::function<bool()> sweep;
  };

  static Result<std::unique_ptr<HotReload>> watch(const std::vector<std::string>& folders,
                                                  const std::vector<std::string>& files);
  ~HotReload() { stop(); }

  void start(Steps steps);
  void ask_to_stop() { files_->ask_to_end(); }
  void stop();

 private:
  // How long something that is replaced waits, once it is not used, to be closed.
  static constexpr std::chrono::milliseconds kSweep{50};

  explicit HotReload(std::unique_ptr<FileWatch> files) : files_(std::move(files)) {}
  void run();

  const std::unique_ptr<FileWatch> files_;
  Steps steps_;
  std::thread thread_;
};

}  // namespace tandem::server
