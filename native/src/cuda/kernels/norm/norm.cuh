#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// RMS norm of rows, with or without a residual added first. Bound by memory: x, residual in, y, residual out, once each.
//
// A row belongs to a warp or to a block. Its values stay in registers between the sum of squares and the scaling; columns
// past what registers hold are read a second time, from a cache.

namespace sgl::cuda {

struct NormParams {
  void* y;             // [num_rows, num_inner, width]
  void* residual;      // the same shape, or null
  const void* x;       // the same shape
  const void* weight;  // [width]
  int64_t y_stride[2];
  int64_t residual_stride[2];
  int64_t x_stride[2];
  int64_t num_rows;  // of all inner rows together
  int32_t num_inner;
  int32_t width;
  float eps;
};

template <class ElementType, int kSizeOfAccess, int kNumWarpsPerRow, int kNumRowsPerBlock>
struct NormConfig {
  using Element = ElementType;
  static constexpr int kVecSize = kSizeOfAccess;
  static constexpr int kWarpsPerRow = kNumWarpsPerRow;
  static constexpr int kRowsPerBlock = kNumRowsPerBlock;
  static constexpr int kThreadsPerRow = kWarpsPerRow * kWarpSize;
  static constexpr int kThreads = kThreadsPerRow * kRowsPerBlock;
  /// Accesses per thread that stay in registers: 32 values.
  static constexpr int kNumCached = 32 / kVecSize;
  /// Accesses per thread to the weight before the work before has ended. More would leave room for fewer rows at a time.
  static constexpr int kNumEarly = kNumCached < 2 ? kNumCached : 2;

  static_assert(kWarpsPerRow == 1 || kRowsPerBlock == 1, "a barrier is for one row");
};

template <class Config, bool kHasResidual>
__global__ void __launch_bounds__(Config::kThreads) rms_norm_kernel(const __grid_constant__ NormParams params) {
  using T = typename Config::Element;
  constexpr int kVec = Config::kVecSize;
  constexpr int kStep = Config::kThreadsPerRow * kVec;
  __shared__ float sums[Config::kWarpsPerRow];

  const int64_t row = int64_t{blockIdx.x} * Config::kRowsPerBlock + threadIdx.x / Config::kThreadsPerRow;
  const T* weight = static_cast<const T*>(params.weight);
  const int width = params.width;
  const int first = threadIdx.x % Config::kThreadsPerRow * kVec;
  ptx::allow_successor();
  // Weights never change while a stream runs. Those of products have pushed these out of the caches since they were used last.
  Vec<T, kVec> early_weight[Config::kNumEarly];
#pragma unroll
  for (int step = 0; step < Config::kNumEarly; ++step) {
    const int column = first + step * kStep;
    if (column < width) early_weight[step] = load_vec<kVec>(weight + column);
  }
  ptx::wait_for_predecessor();
  if (row >= params.num_rows) return;
  const int64_t outer = row / params.num_inner, inner = row % params.num_inner;
  T* y = static_cast<T*>(params.y) + outer * params.y_stride[0] + inner * params.y_stride[1];
  const T* x = static_cast<const T*>(params.x) + outer * params.x_stride[0] + inner * params.x_stride[1];
  T* residual = nullptr;
  if constexpr (kHasResidual) {
    residual = static_cast<T*>(params.residual) + outer * params.residual_stride[0] + inner * params.residual_stride[1];
  }

  const auto load = [&](int column, float(&values)[kVec]) {
    const Vec<T, kVec> a = load_vec<kVec>(x + column);
#pragma unroll
    for (int i = 0; i < kVec; ++i) values[i] = to_float(a[i]);
    if constexpr (kHasResidual) {
      const Vec<T, kVec> b = load_vec<kVec>(residual + column);
#pragma unroll
      for (int i = 0; i < kVec; ++i) values[i] += to_float(b[i]);
    }
  };
  const auto store = [&](int column, const float(&values)[kVec], const Vec<T, kVec>& w, float scale) {
    Vec<T, kVec> out;
    if constexpr (kHasResidual) {
#pragma unroll
      for (int i = 0; i < kVec; ++i) out[i] = from_float<T>(values[i]);
      store_vec(residual + column, out);
    }
#pragma unroll
    for (int i = 0; i < kVec; ++i) out[i] = from_float<T>(values[i] * scale * to_float(w[i]));
    store_vec(y + column, out);
  };

  float cached[Config::kNumCached][kVec];
  float sum = 0;
#pragma unroll
  for (int step = 0; step < Config::kNumCached; ++step) {
    const int column = first + step * kStep;
    if (column < width) {
      load(column, cached[step]);
#pragma unroll
      for (int i = 0; i < kVec; ++i) sum += cached[step][i] * cached[step][i];
    }
  }
  for (int column = first + Config::kNumCached * kStep; column < width; column += kStep) {
    float values[kVec];
    load(column, values);
#pragma unroll
    for (int i = 0; i < kVec; ++i) sum += values[i] * values[i];
  }
  sum = block_reduce<Config::kWarpsPerRow>(sum, sums, Sum());
  const float scale = 1.0f / sqrtf(sum / static_cast<float>(width) + params.eps);

#pragma unroll
  for (int step = 0; step < Config::kNumCached; ++step) {
    const int column = first + step * kStep;
    if (column >= width) continue;
    if (step < Config::kNumEarly) {
      store(column, cached[step], early_weight[step], scale);
    } else {
      store(column, cached[step], load_vec<kVec>(weight + column), scale);
    }
  }
  for (int column = first + Config::kNumCached * kStep; column < width; column += kStep) {
    float values[kVec];
    load(column, values);
    store(column, values, load_vec<kVec>(weight + column), scale);
  }
}

}  // namespace sgl::cuda
