#pragma once

#include <cstdint>

#include "cuda/ptx/mbarrier.cuh"

// Results whose parts are made by several blocks: every part is written to memory, and whichever block finishes the last one
// adds them up, in their order, so that the sum does not depend on which block that was.

namespace sgl::cuda {

/// The threads that share an item.
struct WholeBlock {
  __device__ int thread() const { return threadIdx.x; }
  __device__ int num_threads() const { return blockDim.x; }
  __device__ void synchronize() const { __syncthreads(); }
};

/// The first kNumThreads threads of a block.
template <int kNumThreads>
struct PartOfBlock {
  __device__ int thread() const { return threadIdx.x; }
  __device__ int num_threads() const { return kNumThreads; }
  __device__ void synchronize() const { ptx::named_barrier_wait<kNumThreads>(1); }
};

/// Called by all threads of a team after they wrote a part. Whether it was the last of `num_parts`; then all parts are visible
/// and the counter is 0 again. `is_last` is a place in shared memory.
template <class Team>
__device__ __forceinline__ bool finish_part(const Team& team, int32_t* num_done, int num_parts, int* is_last) {
  __threadfence();
  team.synchronize();
  if (team.thread() == 0) {
    *is_last = atomicAdd(num_done, 1) == num_parts - 1;
    if (*is_last) *num_done = 0;
  }
  team.synchronize();
  if (!*is_last) return false;
  __threadfence();
  return true;
}

}  // namespace sgl::cuda
