#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

void rms_norm(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps);
void add_rms_norm(CudaContext& context, const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                  const sgl_tensor& weight, float eps);

}  // namespace sgl::cuda
