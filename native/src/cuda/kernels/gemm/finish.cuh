#pragma once

#include "cuda/kernels/gemm/epilogue.cuh"
#include "cuda/ptx/grid_dependency.cuh"

// Bias, gate and residual of a product that the library made. Bound by memory: the product once in, y once out.

namespace sgl::cuda {

/// The epilogue of a product that the library left in `product` [num_rows, out_features].
struct FinishParams {
  const void* product;
  sgl_dtype product_dtype;
  int64_t num_rows;
  int64_t width;
  bool is_gated;
  Epilogue epilogue;
};

inline constexpr int kFinishThreads = 256;

__global__ void __launch_bounds__(kFinishThreads) finish_kernel(const __grid_constant__ FinishParams params) {
  const int64_t column = int64_t{blockIdx.x} * kFinishThreads + threadIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.width) return;
  const int64_t out_features = params.is_gated ? 2 * params.width : params.width;
  for (int64_t row = blockIdx.y; row < params.num_rows; row += gridDim.y) {
    const int64_t index = row * out_features + column;
    float value = params.epilogue.biased(Epilogue::load(params.product, params.product_dtype, index), column);
    if (params.is_gated) {
      const float up = Epilogue::load(params.product, params.product_dtype, index + params.width);
      value = silu(value) * params.epilogue.biased(up, params.width + column);
    }
    params.epilogue.store(row, column, value);
  }
}

}  // namespace sgl::cuda
