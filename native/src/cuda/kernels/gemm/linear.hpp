#pragma once

#include "abi/backend.hpp"
#include "cuda/kernels/gemm/linear_config.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

void linear(CudaContext& context, const sgl_linear_args& args);
/// Whether the product itself normalises x.
bool normalizes_in_linear(const CudaContext& context, const sgl_linear_args& args);

/// The same by a given choice, for comparing choices. Throws INTERNAL for one that has no kernel for these arguments.
void linear(CudaContext& context, const sgl_linear_args& args, const LinearConfig& config);

}  // namespace sgl::cuda
