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
};

}  // namespace sgl::cuda
