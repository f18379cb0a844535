#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/math.cuh"
#include "cuda/tile/strided.cuh"
#include "cuda/tile/vec.cuh"

// Elementwise operators. Bound by memory: every operand once.

namespace sgl::cuda {

inline constexpr int kElementwiseThreads = 256;

struct SiluMulParams {
  void* y;              // [num_rows, n]
  const void* gate_up;  // [num_rows, 2 * n]
  int64_t y_stride;
  int64_t gate_up_stride;
  int64_t num_rows;
  int64_t n;
};

template <class T, int kVec>
__global__ void __launch_bounds__(kElementwiseThreads) silu_mul_kernel(const __grid_constant__ SiluMulParams params) {
  const int64_t column = (int64_t{blockIdx.x} * kElementwiseThreads + threadIdx.x) * kVec;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.n) return;
  for (int64_t row = blockIdx.y; row < params.num_rows; row += gridDim.y) {
    const T* gate_up = static_cast<const T*>(params.gate_up) + row * params.gate_up_stride + column;
    const Vec<T, kVec> gate = load_vec<kVec>(gate_up), up = load_vec<kVec>(gate_up + params.n);
    Vec<T, kVec> out;
#pragma unroll
    for (int i = 0; i < kVec; ++i) out[i] = from_float<T>(silu(to_float(gate[i])) * to_float(up[i]));
    store_vec(static_cast<T*>(params.y) + row * params.y_stride + column, out);
  }
}

struct AddParams {
  void* y;
  const void* a;
  const void* b;
  StridedRows rows;  // of y, a, b
};

template <class T, int kVec>
__global__ void __launch_bounds__(kElementwiseThreads) add_kernel(const __grid_constant__ AddParams params) {
  const int64_t column = (int64_t{blockIdx.x} * kElementwiseThreads + threadIdx.x) * kVec;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.rows.width) return;
  for (int64_t row = blockIdx.y; row < params.rows.num_rows; row += gridDim.y) {
    const Vec<T, kVec> a = load_vec<kVec>(static_cast<const T*>(params.a) + params.rows.offset(1, row, column));
    const Vec<T, kVec> b = load_vec<kVec>(static_cast<const T*>(params.b) + params.rows.offset(2, row, column));
    Vec<T, kVec> out;
#pragma unroll
    for (int i = 0; i < kVec; ++i) out[i] = from_float<T>(to_float(a[i]) + to_float(b[i]));
    store_vec(static_cast<T*>(params.y) + params.rows.offset(0, row, column), out);
  }
}

struct AddGatedParams {
  void* y;           // [num_rows, n]
  const void* x;     // [num_rows, n]
  const void* gate;  // [num_rows, 1]
  int64_t y_stride;
  int64_t x_stride;
  int64_t gate_stride;
  int64_t num_rows;
  int64_t n;
};

template <class T, class Gate, int kVec>
__global__ void __launch_bounds__(kElementwiseThreads) add_gated_kernel(const __grid_constant__ AddGatedParams params) {
  const int64_t column = (int64_t{blockIdx.x} * kElementwiseThreads + threadIdx.x) * kVec;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.n) return;
  for (int64_t row = blockIdx.y; row < params.num_rows; row += gridDim.y) {
    const float factor = sigmoid(to_float(static_cast<const Gate*>(params.gate)[row * params.gate_stride]));
    T* y = static_cast<T*>(params.y) + row * params.y_stride + column;
    const Vec<T, kVec> x = load_vec<kVec>(static_cast<const T*>(params.x) + row * params.x_stride + column);
    Vec<T, kVec> out = load_vec<kVec>(y);
#pragma unroll
    for (int i = 0; i < kVec; ++i) out[i] = from_float<T>(to_float(out[i]) + to_float(x[i]) * factor);
    store_vec(y, out);
  }
}

}  // namespace sgl::cuda
