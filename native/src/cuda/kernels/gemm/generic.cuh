#pragma once

#include "cuda/kernels/gemm/epilogue.cuh"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/reduce.cuh"

// A product of any type, alignment and shape: a warp makes one column of y for up to 8 rows, its lanes side by side along k.
// For f32 with few rows, where it streams the weight once, and for shapes that no other kernel takes.

namespace sgl::cuda {

inline constexpr int kGenericWarps = 4;
inline constexpr int kGenericThreads = kGenericWarps * kWarpSize;
inline constexpr int kGenericRows = 8;

struct GenericParams {
  const void* x;       // [num_rows, in_features]
  const void* weight;  // [out_features, in_features]
  int64_t x_stride;
  int64_t num_rows;
  int64_t width;
  int64_t in_features;
  bool is_gated;
  Epilogue epilogue;
};

/// acc[r] += w . x[r] over this lane's share of k.
template <class T, int kVec>
__device__ __forceinline__ void dot_rows(float (&acc)[kGenericRows], const T* weight, const T* const (&x)[kGenericRows],
                                         int64_t in_features) {
  for (int64_t k = threadIdx.x % kWarpSize * kVec; k < in_features; k += kWarpSize * kVec) {
    const Vec<T, kVec> w = load_vec<kVec>(weight + k);
#pragma unroll
    for (int r = 0; r < kGenericRows; ++r) {
      const Vec<T, kVec> v = load_vec<kVec>(x[r] + k);
#pragma unroll
      for (int i = 0; i < kVec; ++i) acc[r] += to_float(w[i]) * to_float(v[i]);
    }
  }
}

template <class T, int kVec>
__global__ void __launch_bounds__(kGenericThreads) generic_kernel(const __grid_constant__ GenericParams params) {
  const int64_t column = int64_t{blockIdx.x} * kGenericWarps + threadIdx.x / kWarpSize;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.width) return;
  const T* weight = static_cast<const T*>(params.weight);
  for (int64_t first_row = int64_t{blockIdx.y} * kGenericRows; first_row < params.num_rows;
       first_row += int64_t{gridDim.y} * kGenericRows) {
    const T* x[kGenericRows];
#pragma unroll
    for (int r = 0; r < kGenericRows; ++r) {
      // Rows past the end repeat the last one and are not stored.
      const int64_t row = first_row + r < params.num_rows ? first_row + r : params.num_rows - 1;
      x[r] = static_cast<const T*>(params.x) + row * params.x_stride;
    }
    float acc[kGenericRows] = {}, up[kGenericRows] = {};
    dot_rows<T, kVec>(acc, weight + column * params.in_features, x, params.in_features);
    if (params.is_gated) dot_rows<T, kVec>(up, weight + (params.width + column) * params.in_features, x, params.in_features);
#pragma unroll
    for (int r = 0; r < kGenericRows; ++r) {
      acc[r] = warp_reduce(acc[r], Sum());
      if (params.is_gated) up[r] = warp_reduce(up[r], Sum());
      // Every lane has every sum; lane r stores row r.
      if (threadIdx.x % kWarpSize == r && first_row + r < params.num_rows) {
        float value = params.epilogue.biased(acc[r], column);
        if (params.is_gated) value = silu(value) * params.epilogue.biased(up[r], params.width + column);
        params.epilogue.store(first_row + r, column, value);
      }
    }
  }
}

}  // namespace sgl::cuda
