#include "cpu/memory/host_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <fstream>
#include <string>

#include "abi/error.hpp"

namespace sgl::cpu {
namespace {

constexpr uint64_t kAlignment = 256;
constexpr uint64_t kHugePage = uint64_t{2} << 20;

/// A number alone in a file; `otherwise` if it is missing or says "max".
uint64_t read_number(const char* path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t value;
  return file >> value ? value : otherwise;
}

}  // namespace

HostMemory host_memory() {
  HostMemory memory{};
  std::ifstream lines("/proc/meminfo");
  for (std::string key, unit; lines >> key;) {
    uint64_t kibibytes;
    if (!(lines >> kibibytes)) break;
    std::getline(lines, unit);
    if (key == "MemTotal:") memory.total_bytes = kibibytes * 1024;
    if (key == "MemAvailable:") memory.free_bytes = kibibytes * 1024;
  }
  // Control group v2, as a container sees it. Version 1 reports a huge number where there is no limit.
  const uint64_t limit =
      read_number("/sys/fs/cgroup/memory.max", read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", UINT64_MAX));
  if (limit < memory.total_bytes) {
    const uint64_t used =
        read_number("/sys/fs/cgroup/memory.current", read_number("/sys/fs/cgroup/memory/memory.usage_in_bytes", 0));
    memory.total_bytes = limit;
    memory.free_bytes = std::min(memory.free_bytes, limit - std::min(limit, used));
  }
  return memory;
}

void* allocate_aligned(uint64_t num_bytes) {
  const bool is_large = num_bytes >= 2 * kHugePage;
  const uint64_t alignment = is_large ? kHugePage : kAlignment;
  // The kernel promises more than it has; what can never fit is refused here rather than killed later.
  const bool is_plausible = num_bytes <= (is_large ? host_memory().total_bytes : 2 * kHugePage);
  const uint64_t rounded = std::max(alignment, (num_bytes + alignment - 1) / alignment * alignment);
  void* data = is_plausible ? std::aligned_alloc(alignment, rounded) : nullptr;
  if (data == nullptr) {
    const HostMemory memory = host_memory();
    fail(SGL_OUT_OF_MEMORY, "asked for %" PRIu64 " bytes of host memory; %" PRIu64 " of %" PRIu64 " are free", num_bytes,
         memory.free_bytes, memory.total_bytes);
  }
  if (is_large) madvise(data, rounded, MADV_HUGEPAGE);  // advice: small pages are slower, not wrong
  return data;
}

void free_aligned(void* data) noexcept { std::free(data); }

}  // namespace sgl::cpu
