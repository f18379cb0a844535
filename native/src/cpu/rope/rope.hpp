#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

/// A position outside the table throws INVALID_ARGUMENT before anything is rotated.
void rope(CpuContext& context, const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions, const sgl_tensor& cos_sin,
          sgl_rope_layout layout);

}  // namespace sgl::cpu
