#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

/// For elements [begin, end): the sum of xs [num_xs] in order, plus the residual if it is not null, to every one of ys
/// [num_ys]. Summed in f32, rounded once.
struct ReduceArgs {
  void* const* ys;
  int num_ys;
  const void* const* xs;
  int num_xs;
  const void* residual;
};

using ReduceRange = void (*)(const ReduceArgs& args, int64_t begin, int64_t end);

struct ReduceKernels {
  /// [type of y and residual][type of x] with f32 0 and bf16 1.
  ReduceRange ranges[2][2];
};

SGL_DECLARE_KERNELS(ReduceKernels, kReduceKernels)

}  // namespace sgl::cpu
