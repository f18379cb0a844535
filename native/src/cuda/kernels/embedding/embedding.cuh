#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/vec.cuh"

// Rows picked by index, and the table of last tokens. Bound by memory: each picked row once in, once out.

namespace sgl::cuda {

inline constexpr int kGatherThreads = 128;

struct GatherParams {
  void* y;              // [num_rows, width]
  const void* x;        // [num_source_rows, width]
  const int32_t* rows;  // [num_rows]
  int64_t y_stride;
  int64_t x_stride;
  int64_t num_rows;
  int64_t num_source_rows;
  int64_t width;
  int64_t first_row;  // what x's first row is called in `rows`
};

/// `Unit` is an access of 16 bytes or one element; strides and width count units. A row outside x is row 0, or zeros where x is
/// one rank's share.
template <class Unit, bool kIsShard>
__global__ void __launch_bounds__(kGatherThreads) gather_kernel(const __grid_constant__ GatherParams params) {
  const int64_t column = int64_t{blockIdx.x} * kGatherThreads + threadIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.width) return;
  for (int64_t row = blockIdx.y; row < params.num_rows; row += gridDim.y) {
    const int64_t wanted = params.rows[row] - params.first_row;
    const bool is_inside = wanted >= 0 && wanted < params.num_source_rows;
    const int64_t source = is_inside ? wanted : 0;
    Unit value = static_cast<const Unit*>(params.x)[source * params.x_stride + column];
    if (kIsShard && !is_inside) value = Unit{};
    static_cast<Unit*>(params.y)[row * params.y_stride + column] = value;
  }
}

struct GatherSumParams {
  void* y;               // [num_rows, width]
  const void* x;         // [num_source_rows, width]
  const void* residual;  // [num_rows, width], or null
  const int32_t* rows;   // [num_rows, num_terms]; outside x: no term
  int64_t num_rows;
  int64_t num_source_rows;
  int64_t num_terms;
  int64_t width;
  int64_t y_stride;
  int64_t x_stride;
  int64_t residual_stride;
};

/// kSize elements a thread; strides and width count elements.
template <class Y, class X, int kSize>
__global__ void __launch_bounds__(kGatherThreads) gather_sum_kernel(const __grid_constant__ GatherSumParams params) {
  const int64_t column = (int64_t{blockIdx.x} * kGatherThreads + threadIdx.x) * kSize;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.width) return;
  for (int64_t row = blockIdx.y; row < params.num_rows; row += gridDim.y) {
    float sum[kSize] = {};
    for (int64_t term = 0; term < params.num_terms; ++term) {
      const int64_t source = params.rows[row * params.num_terms + term];
      if (source < 0 || source >= params.num_source_rows) continue;
      const auto values = load_vec<kSize>(static_cast<const X*>(params.x) + source * params.x_stride + column);
#pragma unroll
      for (int i = 0; i < kSize; ++i) sum[i] += to_float(values[i]);
    }
    if (params.residual != nullptr) {
      const auto rest = load_vec<kSize>(static_cast<const Y*>(params.residual) + row * params.residual_stride + column);
#pragma unroll
      for (int i = 0; i < kSize; ++i) sum[i] += to_float(rest[i]);
    }
    Vec<Y, kSize> result;
#pragma unroll
    for (int i = 0; i < kSize; ++i) result[i] = from_float<Y>(sum[i]);
    store_vec(static_cast<Y*>(params.y) + row * params.y_stride + column, result);
  }
}

struct TokenParams {
  int32_t* ids;            // [num_tokens], of resolve: the output; of scatter: the input
  const int32_t* sources;  // [num_tokens], of scatter: the slots
  int32_t* last_ids;       // [num_slots]
  int64_t num_tokens;
  int64_t num_slots;
};

__global__ void __launch_bounds__(kGatherThreads) token_resolve_kernel(const __grid_constant__ TokenParams params) {
  const int64_t token = int64_t{blockIdx.x} * kGatherThreads + threadIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (token >= params.num_tokens) return;
  const int64_t source = params.sources[token];
  const int64_t slot = -(source + 1);
  if (source >= 0) {
    params.ids[token] = static_cast<int32_t>(source);
  } else {
    params.ids[token] = slot < params.num_slots ? params.last_ids[slot] : 0;
  }
}

__global__ void __launch_bounds__(kGatherThreads) token_scatter_kernel(const __grid_constant__ TokenParams params) {
  const int64_t token = int64_t{blockIdx.x} * kGatherThreads + threadIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (token >= params.num_tokens) return;
  const int64_t slot = params.sources[token];
  if (slot >= 0 && slot < params.num_slots) params.last_ids[slot] = params.ids[token];
}

}  // namespace sgl::cuda
