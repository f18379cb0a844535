#include "cuda/runtime/scratch.hpp"

#include <algorithm>

#include "cuda/runtime/capture.hpp"
#include "cuda/runtime/context.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {

Scratch::~Scratch() {
  cudaFree(block_);
  for (std::byte* block : retired_) cudaFree(block);
}

std::byte* Scratch::reserve(const CudaContext& context, size_t num_bytes) {
  if (num_bytes > capacity_) {
    const RelaxedCapture relaxed;
    if (was_captured_ || context.is_capturing) {
      retired_.push_back(block_);
    } else {
      check(cudaFree(block_), "scratch");  // waits for the work that uses it
    }
    block_ = nullptr;
    capacity_ = 0;
    const size_t grown = std::max<size_t>(num_bytes + num_bytes / 2, size_t{1} << 20);
    check(cudaMalloc(reinterpret_cast<void**>(&block_), grown), "scratch");
    capacity_ = grown;
    was_captured_ = false;
  }
  was_captured_ |= context.is_capturing;
  return block_;
}

}  // namespace sgl::cuda
