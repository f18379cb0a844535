#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

void moe_route(CpuContext& context, const sgl_tensor& expert_weights, const sgl_tensor& expert_ids,
               const sgl_tensor& router_logits, bool renormalize);
void moe_experts(CpuContext& context, const sgl_moe_args& args);

}  // namespace sgl::cpu
