#pragma once

#include <cstddef>
#include <memory>

namespace sgl::test {

struct FreeMemory {
  void operator()(unsigned char* data) const;
};
using Memory = std::unique_ptr<unsigned char[], FreeMemory>;

/// Exactly `num_bytes` that the tests' device and the host address alike: plain memory on the CPU, page-locked memory on a GPU.
Memory allocate_memory(size_t num_bytes);

}  // namespace sgl::test
