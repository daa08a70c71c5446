#include "cli/start_code.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace tandem::cli {
namespace {

// Constants of this program, more than a page of them, in a segment that is not written.
constexpr std::size_t kSize = 1 << 20;
const unsigned char kConstants[kSize] = {1, 2, 3};

std::size_t resident_pages() {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<std::uintptr_t>(kConstants) + page - 1) / page * page;
  // mincore() tells of the page cache; whether this process has a page is in its page map.
  std::size_t resident = 0;
  const int map = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  for (std::size_t i = 0; i + 1 < kSize / page; ++i) {
    std::uint64_t entry = 0;
    const auto at = static_cast<off_t>((first / page + i) * sizeof entry);
    if (::pread(map, &entry, sizeof entry, at) == sizeof entry && (entry >> 63) != 0) ++resident;
  }
  ::close(map);
  return resident;
}

TEST(StartCode, IsForgottenAndComesBackAsItWas) {
  const volatile unsigned char* constants = kConstants;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < kSize; i += 512) sum += constants[i];
  EXPECT_EQ(sum, 1u);
  EXPECT_GT(resident_pages(), 200u);
  EXPECT_GT(forget_start_code(), kSize);
  EXPECT_LT(resident_pages(), 64u) << "but for what lies around the code that runs";
  EXPECT_EQ(constants[0] + constants[1] + constants[2], 6);
}

}  // namespace
}  // namespace tandem::cli
