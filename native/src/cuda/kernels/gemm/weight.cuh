#pragma once

#include "cuda/tile/vec.cuh"

// Random weights. Bound by memory: each element once out.

namespace sgl::cuda {

inline constexpr int kFillThreads = 256;

struct FillParams {
  void* rows;  // [num_rows, in_features]
  uint64_t seed;
  int64_t num_rows;
  int64_t in_features;
  int64_t first_row;  // place of rows[0][0] in the random matrix
  int64_t first_column;
  float scale;
};

__device__ __forceinline__ uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// The same splitmix64 hash of an element's place as the CPU's `random_unit` (cpu/linear/packed_weight.hpp), bit for bit.
template <class T>
__global__ void __launch_bounds__(kFillThreads) fill_kernel(const __grid_constant__ FillParams params) {
  for (int64_t row = blockIdx.x; row < params.num_rows; row += gridDim.x) {
    const uint64_t row_key = mix(params.seed + 0x9e3779b97f4a7c15u * static_cast<uint64_t>(params.first_row + row));
    T* values = static_cast<T*>(params.rows) + row * params.in_features;
    for (int64_t column = threadIdx.x; column < params.in_features; column += kFillThreads) {
      const uint64_t bits = mix(row_key + 0x9e3779b97f4a7c15u * static_cast<uint64_t>(params.first_column + column + 1));
      const float unit = static_cast<float>(static_cast<int32_t>(bits >> 40) - (1 << 23)) * (1.0f / (1 << 23));
      values[column] = from_float<T>(params.scale * unit);
    }
  }
}

}  // namespace sgl::cuda
