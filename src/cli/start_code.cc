#include "cli/start_code.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

namespace tandem::cli {
namespace {

// Nothing is lost: a segment that cannot be written has what its file has.
int forget(dl_phdr_info* object, std::size_t, void* total) {
  // The kernel's own pages are no file's.
  if (std::string_view(object->dlpi_name).starts_with("linux-vdso")) return 0;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (const ElfW(Phdr)* segment = object->dlpi_phdr; segment != object->dlpi_phdr + object->dlpi_phnum; ++segment) {
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
    const std::uintptr_t start = object->dlpi_addr + segment->p_vaddr;
    const std::uintptr_t first = start / page * page;
    const std::size_t size = start + segment->p_memsz - first;
    if (::madvise(reinterpret_cast<void*>(first), size, MADV_DONTNEED) == 0) *static_cast<std::size_t*>(total) += size;
  }
  return 0;
}

}  // namespace

std::size_t forget_start_code() {
  std::size_t total = 0;
  dl_iterate_phdr(forget, &total);
  return total;
}

}  // namespace tandem::cli
