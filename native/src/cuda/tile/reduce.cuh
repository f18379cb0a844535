#pragma once

namespace sgl::cuda {

inline constexpr int kWarpSize = 32;

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

/// The result in every lane; each lane combines in the same order, so all get the same bits.
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

/// The result in every thread of a block of kNumWarps warps. `shared` has kNumWarps places and may be reused after the next
/// barrier.
template <int kNumWarps, class T, class Combine>
__device__ __forceinline__ T block_reduce(T value, T* shared, Combine combine) {
  value = warp_reduce(value, combine);
  if constexpr (kNumWarps == 1) return value;
  if (threadIdx.x % kWarpSize == 0) shared[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  value = shared[0];
#pragma unroll
  for (int warp = 1; warp < kNumWarps; ++warp) value = combine(value, shared[warp]);
  return value;
}

}  // namespace sgl::cuda
