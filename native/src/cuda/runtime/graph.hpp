#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

// Capture is thread-local: other threads go on allocating and launching on contexts of their own.

void begin_capture(CudaContext& context);
std::unique_ptr<sgl_graph> end_capture(CudaContext& context);
int num_captured_nodes(const CudaContext& context);
void launch_graph(const CudaContext& context, sgl_graph& graph);

}  // namespace sgl::cuda
