#pragma once

#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// Throws UNSUPPORTED, naming the option to build with, if this library has no code for the context's device.
void check_architecture(const CudaContext& context);

}  // namespace sgl::cuda
