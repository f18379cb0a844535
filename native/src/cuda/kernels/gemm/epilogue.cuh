#pragma once

#include "cuda/tile/math.cuh"
#include "cuda/tile/vec.cuh"
#include "sgl/base.h"

namespace sgl::cuda {

/// What happens to an f32 product before it is stored. Types are run-time values: a store is rare beside the product.
struct Epilogue {
  void* y;               // [num_rows, width] bf16 or f32
  const void* bias;      // [out_features] in the activation type, or null
  const void* residual;  // [num_rows, width] bf16 or f32, or null; may be y
  int64_t y_stride;
  int64_t residual_stride;
  sgl_dtype y_dtype;
  sgl_dtype bias_dtype;
  sgl_dtype residual_dtype;

  __device__ __forceinline__ static float load(const void* data, sgl_dtype dtype, int64_t index) {
    return dtype == SGL_F32 ? static_cast<const float*>(data)[index] : to_float(static_cast<const bf16*>(data)[index]);
  }

  __device__ __forceinline__ float biased(float product, int64_t column) const {
    return bias == nullptr ? product : product + load(bias, bias_dtype, column);
  }

  /// y[row][column] = value, past bias and gate, plus the residual.
  __device__ __forceinline__ void store(int64_t row, int64_t column, float value) const {
    if (residual != nullptr) value += load(residual, residual_dtype, row * residual_stride + column);
    const int64_t index = row * y_stride + column;
    if (y_dtype == SGL_F32) {
      static_cast<float*>(y)[index] = value;
    } else {
      static_cast<bf16*>(y)[index] = from_float<bf16>(value);
    }
  }

  template <int kSize>
  __device__ __forceinline__ static void load_vec(const void* data, sgl_dtype dtype, int64_t index, float (&values)[kSize]) {
    static_assert(kSize % 4 == 0, "16 bytes of f32");
    if (dtype == SGL_F32) {
#pragma unroll
      for (int i = 0; i < kSize; i += 4) {
        const Vec<float, 4> v = cuda::load_vec<4>(static_cast<const float*>(data) + index + i);
#pragma unroll
        for (int j = 0; j < 4; ++j) values[i + j] = v[j];
      }
    } else {
      const Vec<bf16, kSize> v = cuda::load_vec<kSize>(static_cast<const bf16*>(data) + index);
#pragma unroll
      for (int i = 0; i < kSize; ++i) values[i] = to_float(v[i]);
    }
  }

  /// `store` of neighbouring columns, where every access of 16 bytes, or of kSize bf16, is aligned.
  template <int kSize>
  __device__ __forceinline__ void store_vec(int64_t row, int64_t column, float (&values)[kSize]) const {
    if (residual != nullptr) {
      float more[kSize];
      load_vec(residual, residual_dtype, row * residual_stride + column, more);
#pragma unroll
      for (int i = 0; i < kSize; ++i) values[i] += more[i];
    }
    const int64_t index = row * y_stride + column;
    if (y_dtype == SGL_F32) {
#pragma unroll
      for (int i = 0; i < kSize; i += 4) {
        cuda::store_vec(static_cast<float*>(y) + index + i,
                        Vec<float, 4>{{values[i], values[i + 1], values[i + 2], values[i + 3]}});
      }
    } else {
      Vec<bf16, kSize> v;
#pragma unroll
      for (int i = 0; i < kSize; ++i) v[i] = from_float<bf16>(values[i]);
      cuda::store_vec(static_cast<bf16*>(y) + index, v);
    }
  }
};

}  // namespace sgl::cuda
