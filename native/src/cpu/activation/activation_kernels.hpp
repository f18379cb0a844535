#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

/// One row of n elements each; pointers are to f32 or bf16 as the function's name says. y may be any of the inputs.
struct ActivationKernels {
  /// y = silu(gate) * up
  void (*silu_mul_f32)(void* y, const void* gate, const void* up, int64_t n);
  void (*silu_mul_bf16)(void* y, const void* gate, const void* up, int64_t n);
  /// y = a + b
  void (*add_f32)(void* y, const void* a, const void* b, int64_t n);
  void (*add_bf16)(void* y, const void* a, const void* b, int64_t n);
  /// y += x * factor
  void (*add_scaled_f32)(void* y, const void* x, float factor, int64_t n);
  void (*add_scaled_bf16)(void* y, const void* x, float factor, int64_t n);
};

SGL_DECLARE_KERNELS(ActivationKernels, kActivationKernels)

}  // namespace sgl::cpu
