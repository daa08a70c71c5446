#include "server/file_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace tandem::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::IsEmpty;

class FileWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "file_watch_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ / "resources";
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void open() {
    auto watch = FileWatch::open({folder_}, {root_ / "module.wasm"});
    ASSERT_TRUE(watch) << watch.error().message;
    watch_ = std::move(*watch);
  }
  static void write(const fs::path& path) { std::ofstream(path) << "text"; }
  std::set<std::string> changed() { return watch_->wait(steady_clock::now() + std::chrono::seconds(30)); }
  // Nothing has happened until now.
  std::set<std::string> nothing() { return watch_->wait(steady_clock::now()); }

  fs::path root_;
  fs::path folder_;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, AFileIsWrittenMovedAndRemoved) {
  open();
  EXPECT_THAT(nothing(), IsEmpty());
  write(folder_ / "one.yaml");
  EXPECT_THAT(changed(), ElementsAre(folder_));
  EXPECT_THAT(nothing(), IsEmpty());
  write(root_ / "aside");
  fs::rename(root_ / "aside", folder_ / "one.yaml");
  EXPECT_THAT(changed(), ElementsAre(folder_));
  fs::remove(folder_ / "one.yaml");
  EXPECT_THAT(changed(), ElementsAre(folder_));
}

TEST_F(FileWatchTest, OneFileAmongOthers) {
  open();
  write(root_ / "other.wasm");
  write(root_ / "module.wasm");
  EXPECT_THAT(changed(), ElementsAre(root_ / "module.wasm"));
  write(root_ / "other.wasm");
  EXPECT_THAT(nothing(), IsEmpty());
}

TEST_F(FileWatchTest, AFileCountsWhenItIsClosed) {
  open();
  std::ofstream file(folder_ / "slow.yaml");
  file << "half" << std::flush;
  EXPECT_THAT(watch_->wait(steady_clock::now() + FileWatch::kQuiet + FileWatch::kQuiet), IsEmpty());
  file.close();
  EXPECT_THAT(changed(), ElementsAre(folder_));
}

TEST_F(FileWatchTest, TheLinkOfAConfigMapIsSwapped) {
  fs::create_directory(folder_ / "..1");
  write(folder_ / "..1" / "one.yaml");
  fs::create_directory_symlink("..1", folder_ / "..data");
  fs::create_symlink("..data/one.yaml", folder_ / "one.yaml");
  open();
  fs::create_directory_symlink("..1", folder_ / "..data_tmp");
  fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  EXPECT_THAT(changed(), ElementsAre(folder_));
}

TEST_F(FileWatchTest, AFolderThatIsReplacedIsWatchedAgain) {
  open();
  fs::remove_all(folder_);
  EXPECT_THAT(changed(), ElementsAre(folder_));
  fs::create_directory(folder_);
  EXPECT_THAT(changed(), ElementsAre(folder_));
  write(folder_ / "one.yaml");
  EXPECT_THAT(changed(), ElementsAre(folder_));
}

TEST_F(FileWatchTest, TheEndWakesIt) {
  open();
  std::thread other([&] { watch_->ask_to_end(); });
  EXPECT_THAT(watch_->wait(SteadyTime::max()), IsEmpty());
  EXPECT_TRUE(watch_->asked_to_end());
  other.join();
}

}  // namespace
}  // namespace tandem::server
