#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

struct GatherSumArgs {
  void* y;              // [num_rows, width]
  const void* x;        // [num_source_rows, width]
  const void* residual;  // [num_rows, width] of y's type, or null
  const int32_t* rows;  // [num_rows, num_terms]; negative: no term
  int64_t num_terms;
  int64_t width;
  int64_t y_stride;  // elements between rows
  int64_t x_stride;
  int64_t residual_stride;
};

/// Rows [begin, end) of y: the terms summed in f32 in order, the residual last, rounded once.
using GatherSumRows = void (*)(const GatherSumArgs& args, int64_t begin, int64_t end);

struct GatherSumKernels {
  /// [type of y and residual][type of x] with f32 0 and bf16 1.
  GatherSumRows rows[2][2];
};

SGL_DECLARE_KERNELS(GatherSumKernels, kGatherSumKernels)

}  // namespace sgl::cpu
