// FileWatch: waits until folders, or single files, have changed and nothing more changes for a while (inotify).
//
// Owned by the thread that waits; ask_to_end() is any thread's. It hears of what is written and closed, moved, linked
// and removed: an editor that writes aside and renames, a ConfigMap whose link ..data is swapped, a folder that is
// replaced as a whole. A file that is being written counts when it is closed. It looks at no contents: who waits reads
// again and compares. Fails when the system gives no more watches (fs.inotify.max_user_watches).
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/result.h"

namespace tandem::server {

class FileWatch final {
 public:
  // What is saved in one go is one change: daprd's time.
  static constexpr std::chrono::milliseconds kQuiet{500};
  // What changes all the time is looked at all the same.
  static constexpr std::chrono::milliseconds kLongest{5000};

  // What is not there yet is heard of when it comes, as long as the folder that it is in is there.
  static Result<std::unique_ptr<FileWatch>> open(const std::vector<std::string>& folders,
                                                 const std::vector<std::string>& files);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch();

  // The folders and files, as open() was given them, that have changed; none when `until` came first, or the end.
  std::set<std::string> wait(SteadyTime until);
  void ask_to_end();
  bool asked_to_end() const;

 private:
  // What an event in a watched folder is about.
  struct Interest {
    std::string name;        // of the entry; empty: any
    std::string target;      // what has changed then
    bool is_folder = false;  // the entry is itself a folder to watch
  };

  FileWatch(int inotify, int end) : inotify_(inotify), end_(end) {}
  Status watch(const std::string& folder, std::uint32_t events, Interest interest);
  Status watch_folder(const std::string& folder);
  // Reads what there is. True: something that counts, or that a file is being written.
  bool take_events(std::set<std::string>& changed);

  const int inotify_;
  const int end_;
  std::map<int, std::vector<Interest>> watched_;  // by inotify's number
  std::map<int, std::string> folders_;            // where they are
};

}  // namespace tandem::server
