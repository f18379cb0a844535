#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

/// Rotates `half` pairs of each of num_heads heads in place; head h begins at element h * head_stride. cos and sin are [half].
using RotateHeads = void (*)(void* heads, int64_t head_stride, int64_t num_heads, const float* cos, const float* sin,
                             int64_t half);

struct RopeKernels {
  RotateHeads half_split_f32;
  RotateHeads half_split_bf16;
  RotateHeads interleaved_f32;
  RotateHeads interleaved_bf16;
};

SGL_DECLARE_KERNELS(RopeKernels, kRopeKernels)

}  // namespace sgl::cpu
