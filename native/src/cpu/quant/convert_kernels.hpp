#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

/// y [n] = x [n], converted.
using ConvertRow = void (*)(void* y, const void* x, int64_t n);

struct ConvertKernels {
  /// [type of y][type of x] with f32, bf16, f16 counted from 0, as sgl_dtype counts them.
  ConvertRow rows[3][3];
};

SGL_DECLARE_KERNELS(ConvertKernels, kConvertKernels)

}  // namespace sgl::cpu
