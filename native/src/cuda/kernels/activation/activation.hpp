#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

void silu_mul(CudaContext& context, const sgl_tensor& y, const sgl_tensor& gate_up);
void add(CudaContext& context, const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b);
void add_sigmoid_gated(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate);

}  // namespace sgl::cuda
