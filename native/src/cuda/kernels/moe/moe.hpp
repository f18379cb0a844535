#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

void moe_route(CudaContext& context, const sgl_tensor& expert_weights, const sgl_tensor& expert_ids,
               const sgl_tensor& router_logits, bool renormalize);
void moe_experts(CudaContext& context, const sgl_moe_args& args);

}  // namespace sgl::cuda
