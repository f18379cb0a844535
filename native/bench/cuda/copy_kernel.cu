#include "cuda/copy_kernel.hpp"

namespace sgl::bench {
namespace {

constexpr int kThreads = 512;
constexpr int kPerThread = 4;  // independent accesses of 16 bytes

__global__ void __launch_bounds__(kThreads) copy_kernel(uint4* to, const uint4* from, size_t count) {
  const size_t first = size_t{blockIdx.x} * kThreads * kPerThread + threadIdx.x;
  uint4 values[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    if (first + i * kThreads < count) values[i] = __ldcs(from + first + i * kThreads);
  }
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    if (first + i * kThreads < count) __stcs(to + first + i * kThreads, values[i]);
  }
}

}  // namespace

cudaError_t copy_by_kernel(void* to, const void* from, size_t num_bytes, cudaStream_t stream) {
  const size_t count = num_bytes / sizeof(uint4), per_block = size_t{kThreads} * kPerThread;
  copy_kernel<<<static_cast<unsigned>((count + per_block - 1) / per_block), kThreads, 0, stream>>>(
      static_cast<uint4*>(to), static_cast<const uint4*>(from), count);
  return cudaGetLastError();
}

}  // namespace sgl::bench
