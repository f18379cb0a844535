#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

void silu_mul(CpuContext& context, const sgl_tensor& y, const sgl_tensor& gate_up);
void add(CpuContext& context, const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b);
void add_sigmoid_gated(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate);

}  // namespace sgl::cpu
