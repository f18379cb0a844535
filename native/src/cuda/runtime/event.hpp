#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

std::unique_ptr<sgl_event> create_event(const CudaContext& context);
void record(const CudaContext& context, sgl_event& event);

}  // namespace sgl::cuda
