#include "cli/cache_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace tandem::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kHash(64, 'a');

// A process that has ended, and whose number nobody has yet.
pid_t gone_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

class LeftoversTest : public testing::Test {
 protected:
  LeftoversTest() {
    std::string name = testing::TempDir() + "cache_folder_XXXXXX";
    folder_ = ::mkdtemp(name.data());  // of mode 0700
  }
  ~LeftoversTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::chrono::seconds age) const {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path) << "half";
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - age);
    return name;
  }
  static std::string aside(pid_t process, int number = 0) {
    return kHash + ".tmp" + std::to_string(process) + "-" + std::to_string(number);
  }
  std::size_t remove() const { return remove_leftovers(folder_.string()); }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) names.insert(entry.path().filename());
    return names;
  }

  std::filesystem::path folder_;
};

TEST_F(LeftoversTest, OfAProcessThatIsGone) {
  const pid_t gone = gone_process();
  write(aside(gone, 0), std::chrono::minutes(2));
  write(aside(gone, 17), std::chrono::minutes(2));
  const std::string fresh = write(aside(gone, 1), std::chrono::seconds(5));
  EXPECT_EQ(remove(), 2u);
  EXPECT_THAT(names(), ElementsAre(fresh));
}

TEST_F(LeftoversTest, OfAProcessThatHadTheNumberOfThisOne) {
  write(aside(::getpid()), std::chrono::minutes(2));
  EXPECT_EQ(remove(), 1u);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(LeftoversTest, WhatALivingProcessMayBeWritingStaysForAnHour) {
  const std::string name = write(aside(::getppid()), std::chrono::minutes(58));
  EXPECT_EQ(remove(), 0u);
  EXPECT_THAT(names(), ElementsAre(name));
  write(name, std::chrono::minutes(62));
  EXPECT_EQ(remove(), 1u);
}

TEST_F(LeftoversTest, NothingElseIsTouched) {
  const pid_t gone = gone_process();
  std::set<std::string> others;
  for (const std::string& name :
       {kHash + ".cwasm", kHash + ".sum", kHash + ".tmp", kHash + ".tmp-1", kHash + ".tmpx-1", kHash + ".tmp12",
        kHash + ".tmp12-", kHash + ".tmp12-1x", kHash + ".tmp0-1", kHash + ".tmp99999999999999999999-1",
        std::string("notes.tmp12-1"), std::string("tmp12-1"), std::string(64, 'G') + ".tmp12-1"}) {
    others.insert(write(name, std::chrono::hours(48)));
  }
  std::filesystem::create_directory(folder_ / aside(gone, 7));
  others.insert(aside(gone, 7));
  std::filesystem::create_symlink("elsewhere", folder_ / aside(gone, 8));
  others.insert(aside(gone, 8));
  EXPECT_EQ(remove(), 0u);
  EXPECT_EQ(names(), others);
}

TEST_F(LeftoversTest, AFolderThatIsNotUsedIsNotTouched) {
  write(aside(gone_process()), std::chrono::hours(48));
  ::chmod(folder_.c_str(), 0750);
  EXPECT_EQ(remove(), 0u);
  ::chmod(folder_.c_str(), 0700);
  const std::string link = folder_.string() + "-link";
  std::filesystem::create_symlink(folder_, link);
  EXPECT_EQ(remove_leftovers(link), 0u);
  std::filesystem::remove(link);
  EXPECT_EQ(remove_leftovers(""), 0u);
  EXPECT_EQ(remove_leftovers((folder_ / "none").string()), 0u);
  EXPECT_EQ(remove_leftovers((folder_ / aside(1)).string()), 0u);
  EXPECT_EQ(remove(), 1u);
}

}  // namespace
}  // namespace tandem::cli
