#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

std::unique_ptr<sgl_attention_plan> create_attention_plan(CpuContext& context, const sgl_attention_desc& desc);
void update_attention_plan(CpuContext& context, sgl_attention_plan& plan, const sgl_attention_batch& batch);
void attention(CpuContext& context, sgl_attention_plan& plan, const sgl_tensor& out, const sgl_tensor& q,
               const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor* sinks);

}  // namespace sgl::cpu
