#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

/// Rows of rms_norm or add_rms_norm. Row (i, j) of a tensor begins at element i * outer_stride + j * inner_stride.
struct NormRows {
  void* y;             // [num_outer, num_inner, width]
  void* residual;      // like y; null for a plain norm
  const void* x;       // like y
  const void* weight;  // [width]
  int64_t y_stride[2];
  int64_t residual_stride[2];
  int64_t x_stride[2];
  int64_t num_inner;
  int64_t width;
  float eps;
};

/// Each function does rows [begin, end), counted through both leading dimensions.
struct NormKernels {
  void (*f32)(const NormRows& rows, int64_t begin, int64_t end);
  void (*bf16)(const NormRows& rows, int64_t begin, int64_t end);
};

SGL_DECLARE_KERNELS(NormKernels, kNormKernels)

}  // namespace sgl::cpu
