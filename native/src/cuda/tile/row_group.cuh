#pragma once

#include <cooperative_groups.h>

#include "cuda/tile/reduce.cuh"

namespace sgl::cuda {

/// The blocks of one cluster, which work on one row together: reductions over all their threads. On GPUs without clusters a
/// group is one block.
template <int kThreads>
class RowGroup {
 public:
  static constexpr int kWarps = kThreads / kWarpSize;
  static constexpr int kMaxValues = 14;
  static constexpr int kMaxBlocks = 8;

  struct alignas(8) Shared {
    unsigned long long parts[kWarps][kMaxValues];
    unsigned long long slots[2][kMaxValues];  // read by the other blocks
    unsigned long long results[kMaxValues];
  };

  __device__ RowGroup(Shared& shared, int num_blocks) : shared_(shared), num_blocks_(num_blocks) {}

  __device__ int num_blocks() const { return num_blocks_; }
  __device__ int block() const { return blockIdx.x % num_blocks_; }
  __device__ int row() const { return blockIdx.x / num_blocks_; }

  /// Each of `values`, of 8 bytes, combined over all threads of the group, in a fixed order; the same bits in every thread.
  template <int kCount, class T, class Combine>
  __device__ void reduce(T (&values)[kCount], Combine combine) {
    static_assert(kCount <= kMaxValues && sizeof(T) == 8, "a value is one 8-byte slot");
    const int warp = threadIdx.x / kWarpSize;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      values[i] = warp_reduce(values[i], combine);
      if (threadIdx.x % kWarpSize == 0) reinterpret_cast<T&>(shared_.parts[warp][i]) = values[i];
    }
    __syncthreads();
    // NOTE: two slots in turn make one barrier enough. A block writes a slot again only after every block has passed the next
    // reduction's barrier, and so has finished reading this one's.
    T* slot = reinterpret_cast<T*>(shared_.slots[parity_]);
    parity_ ^= 1;
    if (threadIdx.x < kCount) {
      T sum = reinterpret_cast<T&>(shared_.parts[0][threadIdx.x]);
      for (int i = 1; i < kWarps; ++i) sum = combine(sum, reinterpret_cast<T&>(shared_.parts[i][threadIdx.x]));
      slot[threadIdx.x] = sum;
    }
    synchronize();
    if (threadIdx.x < kCount) {
      T sum = *of_block(slot + threadIdx.x, 0);
      for (int block = 1; block < num_blocks_; ++block) sum = combine(sum, *of_block(slot + threadIdx.x, block));
      reinterpret_cast<T&>(shared_.results[threadIdx.x]) = sum;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = reinterpret_cast<T&>(shared_.results[i]);
  }

  template <class T, class Combine>
  __device__ T reduce(T value, Combine combine) {
    T values[1] = {value};
    reduce(values, combine);
    return values[0];
  }

  /// `value` of thread 0 of each block, in every thread.
  __device__ void gather(double (&values)[kMaxBlocks], double value) {
    double* slot = reinterpret_cast<double*>(shared_.slots[parity_]);
    parity_ ^= 1;
    if (threadIdx.x == 0) *slot = value;
    synchronize();
#pragma unroll
    for (int block = 0; block < kMaxBlocks; ++block) values[block] = block < num_blocks_ ? *of_block(slot, block) : 0;
  }

  /// A barrier of the group. The last thing a block does, since others may still read its memory.
  __device__ void synchronize() {
#if __CUDA_ARCH__ >= 900
    if (num_blocks_ > 1) return cooperative_groups::this_cluster().sync();
#endif
    __syncthreads();
  }

  /// A place in shared memory of this block as another block of the group has it.
  template <class T>
  __device__ T* of_block(T* address, int block) {
#if __CUDA_ARCH__ >= 900
    if (num_blocks_ > 1) return cooperative_groups::this_cluster().map_shared_rank(address, block);
#endif
    static_cast<void>(block);
    return address;
  }

 private:
  Shared& shared_;
  const int num_blocks_;
  int parity_ = 0;
};

}  // namespace sgl::cuda
