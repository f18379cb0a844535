#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

void convert(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x);

}  // namespace sgl::cpu
