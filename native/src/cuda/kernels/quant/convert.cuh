#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/strided.cuh"
#include "cuda/tile/vec.cuh"

// Conversion between f32, bf16 and f16, elementwise. Bound by memory: both tensors once.

namespace sgl::cuda {

inline constexpr int kConvertThreads = 256;

struct ConvertParams {
  void* y;
  const void* x;
  StridedRows rows;  // of y, x
};

template <class To, class From, int kVec>
__global__ void __launch_bounds__(kConvertThreads) convert_kernel(const __grid_constant__ ConvertParams params) {
  const int64_t column = (int64_t{blockIdx.x} * kConvertThreads + threadIdx.x) * kVec;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.rows.width) return;
  for (int64_t row = blockIdx.y; row < params.rows.num_rows; row += gridDim.y) {
    const Vec<From, kVec> x = load_vec<kVec>(static_cast<const From*>(params.x) + params.rows.offset(1, row, column));
    Vec<To, kVec> y;
#pragma unroll
    for (int i = 0; i < kVec; ++i) y[i] = from_float<To>(to_float(x[i]));
    store_vec(static_cast<To*>(params.y) + params.rows.offset(0, row, column), y);
  }
}

}  // namespace sgl::cuda
