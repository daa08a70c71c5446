#include "server/memory_budget.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <string_view>

namespace tandem::server {
namespace {

class MemoryBudgetTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("tandem-budget-" + std::to_string(getpid()));
};

TEST_F(MemoryBudgetTest, IsThreeQuartersOfTheMachine) {
  write("proc/meminfo", "MemTotal:       4000 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(default_guest_memory(root_), 3000u * 1024);
}

TEST_F(MemoryBudgetTest, AContainersLimitCounts) {
  write("proc/meminfo", "MemTotal:       4000 kB\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(default_guest_memory(root_), 3000u * 1024);
  write("sys/fs/cgroup/memory.max", "400000\n");
  EXPECT_EQ(default_guest_memory(root_), 300'000u);
}

TEST_F(MemoryBudgetTest, SoDoesThatOfAGroupAround) {
  write("proc/meminfo", "MemTotal:       4000 kB\n");
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/memory.max", "40000\n");
  write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(default_guest_memory(root_), 30'000u);
}

TEST_F(MemoryBudgetTest, TheOldFormIsRead) {
  write("proc/meminfo", "MemTotal:       4000 kB\n");
  write("proc/self/cgroup", "8:cpu:/x\n7:memory:/a\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "8000\n");
  EXPECT_EQ(default_guest_memory(root_), 6000u);
}

TEST_F(MemoryBudgetTest, NothingToReadIsNoBound) { EXPECT_EQ(default_guest_memory(root_), 0u); }

TEST_F(MemoryBudgetTest, ThisMachineHasOne) { EXPECT_GT(default_guest_memory(), 64u << 20); }

}  // namespace
}  // namespace tandem::server
