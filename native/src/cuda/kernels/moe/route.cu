#include "cuda/kernels/moe/moe.hpp"
#include "cuda/kernels/moe/route.cuh"
#include "cuda/runtime/launch.hpp"

namespace sgl::cuda {

RouteParams route_params(const sgl_tensor& expert_weights, const sgl_tensor& expert_ids, const sgl_tensor& router_logits,
                         bool renormalize) {
  RouteParams params{};
  params.expert_weights = static_cast<float*>(expert_weights.data);
  params.expert_ids = static_cast<int32_t*>(expert_ids.data);
  params.logits = router_logits.data;
  params.weights_stride = expert_weights.stride[0];
  params.ids_stride = expert_ids.stride[0];
  params.logits_stride = router_logits.stride[0];
  params.num_tokens = router_logits.shape[0];
  params.num_experts = static_cast<int32_t>(router_logits.shape[1]);
  params.k = static_cast<int32_t>(expert_ids.shape[1]);
  params.renormalize = renormalize;
  return params;
}

void launch_route(const CudaContext& context, const char* op, const RouteParams& params, sgl_dtype logits_dtype) {
  LaunchConfig config;
  config.grid = blocks_for(params.num_tokens, kRouteWarps);
  config.block = kRouteWarps * kWarpSize;
  config.overlaps_predecessor = true;
  launch(context, op, logits_dtype == SGL_BF16 ? route_kernel<bf16> : route_kernel<float>, config, params);
}

void moe_route(CudaContext& context, const sgl_tensor& expert_weights, const sgl_tensor& expert_ids,
               const sgl_tensor& router_logits, bool renormalize) {
  launch_route(context, "moe_route", route_params(expert_weights, expert_ids, router_logits, renormalize), router_logits.dtype);
}

}  // namespace sgl::cuda
