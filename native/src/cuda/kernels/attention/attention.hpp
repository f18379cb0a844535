#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

std::unique_ptr<sgl_attention_plan> create_attention_plan(CudaContext& context, const sgl_attention_desc& desc);
void update_attention_plan(CudaContext& context, sgl_attention_plan& plan, const sgl_attention_batch& batch);
void attention(CudaContext& context, sgl_attention_plan& plan, const sgl_tensor& out, const sgl_tensor& q,
               const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor* sinks);

}  // namespace sgl::cuda
