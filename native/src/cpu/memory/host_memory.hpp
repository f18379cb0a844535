#pragma once

#include <cstdint>

namespace sgl::cpu {

/// Memory of this machine, or of this process's control group where that is less.
struct HostMemory {
  uint64_t total_bytes;
  uint64_t free_bytes;
};

HostMemory host_memory();

/// Memory aligned to at least 256 bytes, on huge pages where it is large. Throws OUT_OF_MEMORY, naming what was asked and what
/// is free. Released with `free_aligned`.
void* allocate_aligned(uint64_t num_bytes);
void free_aligned(void* data) noexcept;

}  // namespace sgl::cpu
