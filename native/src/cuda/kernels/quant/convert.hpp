#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

void convert(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x);

}  // namespace sgl::cuda
