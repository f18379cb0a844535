#pragma once

#include "cuda/kernels/gemm/epilogue.cuh"
#include "cuda/kernels/gemm/stream_product.cuh"

namespace sgl::cuda {

struct FewRowsParams {
  const bf16* x;       // [num_rows, in_features]
  const bf16* weight;  // [out_features, in_features]; with a gate its first half makes the gate
  int64_t x_stride;
  int32_t num_rows;
  int32_t width;  // columns of y
  int32_t in_features;
  Epilogue epilogue;
  const bf16* norm;  // [in_features], for kHasNorm
  bf16* normed;      // [num_rows, in_features] of x under the norm, for kHasNorm; or null
  int64_t normed_stride;
  float eps;
};

/// A block makes kWeightRows columns of y (16 with a gate, whose tiles are a gate tile and its up tile), all rows.
template <class Config, bool kIsGated, bool kHasNorm>
__global__ void __launch_bounds__(Config::kThreads, 2) few_rows_kernel(const __grid_constant__ FewRowsParams params) {
  static_assert(!kIsGated || Config::kWeightTiles == 2, "a gate tile and its up tile");
  extern __shared__ __align__(16) float sums[];  // [kSharedFloats], and with a norm first [in_features] bf16
  __shared__ float squares[kHasNorm ? Config::kWarps * Config::kRows : 1];
  constexpr int kColumns = kIsGated ? 16 : Config::kWeightRows;
  const int first_column = blockIdx.x * kColumns;
  const int lane = threadIdx.x % kWarpSize;

  StreamOperands<Config> operands;
#pragma unroll
  for (int tile = 0; tile < Config::kWeightTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int column = min(first_column + (kIsGated ? 0 : tile * 16) + half * 8 + lane / 4, params.width - 1);
      const int64_t row = kIsGated && tile == 1 ? int64_t{params.width} + column : column;
      operands.weight[tile][half] = params.weight + row * params.in_features + lane % 4 * 8;
    }
  }
#pragma unroll
  for (int tile = 0; tile < Config::kRowTiles; ++tile) {
    const int64_t row = min(tile * 8 + lane / 4, params.num_rows - 1);
    operands.x[tile] = params.x + row * params.x_stride + lane % 4 * 8;
  }
  const StreamNorm<Config> norm{params.norm, reinterpret_cast<bf16*>(sums), squares};
  stream_product<Config, kHasNorm>(sums, operands, params.in_features, norm);

  for (int i = threadIdx.x; i < kColumns * params.num_rows; i += Config::kThreads) {
    const int row = i / kColumns, column = first_column + i % kColumns;
    if (column >= params.width) continue;
    const float scale = kHasNorm ? norm.scale(row, params.in_features, params.eps) : 1;
    float value = params.epilogue.biased(scale * total<Config>(sums, i % kColumns, row), column);
    if constexpr (kIsGated) {
      const float up = total<Config>(sums, 16 + i % kColumns, row);
      value = silu(value) * params.epilogue.biased(scale * up, params.width + column);
    }
    params.epilogue.store(row, column, value);
  }
  if constexpr (kHasNorm) {
    if (params.normed == nullptr) return;
    // All blocks share the elements out.
    const int num_elements = params.num_rows * params.in_features;
    for (int i = blockIdx.x * Config::kThreads + threadIdx.x; i < num_elements; i += gridDim.x * Config::kThreads) {
      const int row = i / params.in_features, k = i % params.in_features;
      const float value = to_float(params.x[row * params.x_stride + k]) * norm.scale(row, params.in_features, params.eps);
      params.normed[row * params.normed_stride + k] = from_float<bf16>(value * to_float(params.norm[k]));
    }
  }
}

}  // namespace sgl::cuda
