#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

void rms_norm(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps);
void add_rms_norm(CpuContext& context, const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                  const sgl_tensor& weight, float eps);

}  // namespace sgl::cpu
