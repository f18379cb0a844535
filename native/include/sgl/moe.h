#ifndef SGL_MOE_H
#define SGL_MOE_H

#include "sgl/device.h"
#include "sgl/gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Softmax over all experts in f32, then the top k of each row: expert_weights f32 and expert_ids i32, both [num_tokens, k],
/// in falling order of weight, ties to the lower expert. router_logits is [num_tokens, num_experts], f32 or bf16.
/// `renormalize` divides the k weights by their sum.
SGL_API sgl_status sgl_moe_route(sgl_context* context, const sgl_tensor* expert_weights, const sgl_tensor* expert_ids,
                                 const sgl_tensor* router_logits, int32_t renormalize);

typedef struct sgl_moe_args {
  /// [num_tokens, hidden]; must not alias x.
  const sgl_tensor* y;
  /// [num_tokens, hidden]
  const sgl_tensor* x;
  /// f32 [num_tokens, k]
  const sgl_tensor* expert_weights;
  /// i32 [num_tokens, k]; an id outside [first_expert, first_expert + num_groups) belongs to another rank and adds nothing.
  const sgl_tensor* expert_ids;
  /// [num_experts, 2 * intermediate, hidden]: gate rows, then up rows.
  const sgl_weight* gate_up;
  /// [num_experts, hidden, intermediate]
  const sgl_weight* down;
  /// [num_tokens, hidden], or null: added before y is rounded. May be y.
  const sgl_tensor* residual;
  /// f32 or bf16 [num_tokens, number of all ranks' experts], or null: expert_weights and expert_ids are written first, as
  /// sgl_moe_route writes them with `renormalize`. Few tokens are then routed inside the experts' kernels.
  const sgl_tensor* router_logits;
  int32_t first_expert;
  int32_t renormalize;
} sgl_moe_args;

/// y = residual + sum over k of weight * down_e(silu(gate_e(x)) * up_e(x)); tokens grouped by expert, summed in f32 in a fixed
/// order. Scratch memory belongs to the context and grows to the largest step seen.
SGL_API sgl_status sgl_moe_experts(sgl_context* context, const sgl_moe_args* args);

#ifdef __cplusplus
}
#endif
#endif
