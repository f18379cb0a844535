#pragma once

#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

struct RouteParams {
  float* expert_weights;  // [num_tokens, k]
  int32_t* expert_ids;    // [num_tokens, k]
  const void* logits;     // [num_tokens, num_experts]
  int64_t weights_stride;
  int64_t ids_stride;
  int64_t logits_stride;
  int64_t num_tokens;
  int32_t num_experts;
  int32_t k;
  bool renormalize;
};

RouteParams route_params(const sgl_tensor& expert_weights, const sgl_tensor& expert_ids, const sgl_tensor& router_logits,
                         bool renormalize);

/// Queues the kernel that routes `params.num_tokens` tokens.
void launch_route(const CudaContext& context, const char* op, const RouteParams& params, sgl_dtype logits_dtype);

}  // namespace sgl::cuda
