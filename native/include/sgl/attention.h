#ifndef SGL_ATTENTION_H
#define SGL_ATTENTION_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sgl_attention_desc {
  int32_t num_q_heads;
  /// Divides num_q_heads; query head h reads KV head h / (num_q_heads / num_kv_heads).
  int32_t num_kv_heads;
  /// 32 to 256, a multiple of 8.
  int32_t head_dim;
  int32_t page_size;
  /// Storage type of q, out and both caches: SGL_BF16 or SGL_F32.
  sgl_dtype dtype;
  /// A token sees itself and the window - 1 tokens before it; 0 means all.
  int32_t window;
  /// Multiplies q.k, usually head_dim^-0.5.
  float scale;
  /// Scores s become soft_cap * tanh(s / soft_cap) before masking; 0 means off.
  float soft_cap;
  /// Bounds of every later plan, for the workspace.
  int32_t max_tokens;
  int32_t max_requests;
} sgl_attention_desc;

/// The requests of one step, in host memory, read during the call only.
typedef struct sgl_attention_batch {
  int32_t num_requests;
  int32_t reserved;
  /// [num_requests + 1]: query tokens of request r are rows [query_start[r], query_start[r+1]) of q.
  const int32_t* query_start;
  /// [num_requests]: tokens in the cache including this step's queries; the last query of r is token kv_length[r] - 1.
  const int32_t* kv_length;
  /// [num_requests]: where in `pages` a request's list begins.
  const int32_t* page_start;
  /// Pages of all requests one after another: ceil(kv_length / page_size) for each.
  const int32_t* pages;
} sgl_attention_batch;

/// How a step's attention is split over pages and processors. Reused from step to step; belongs to its context.
typedef struct sgl_attention_plan sgl_attention_plan;

SGL_API sgl_status sgl_attention_plan_create(sgl_context* context, sgl_attention_plan** plan, const sgl_attention_desc* desc);
SGL_API void sgl_attention_plan_destroy(sgl_attention_plan* plan);

/// Host work of a step, once for all layers that share the plan's description. Must precede `sgl_attention_run`. What was in
/// the caches before the step's own tokens must have been written by work queued before this call.
SGL_API sgl_status sgl_attention_plan_update(sgl_context* context, sgl_attention_plan* plan, const sgl_attention_batch* batch);

/// out = softmax(scale * q k^T + mask) v over each request's pages; causal, online softmax, never a T x T matrix. q and out
/// are [num_tokens, num_q_heads, head_dim] (last dimension dense). The step's own K and V are already in the caches.
/// `sinks` (f32 [num_q_heads], or null) is one more logit per head in the softmax's denominator. Safe to capture.
SGL_API sgl_status sgl_attention_run(sgl_context* context, sgl_attention_plan* plan, const sgl_tensor* out, const sgl_tensor* q,
                                     const sgl_tensor* k_cache, const sgl_tensor* v_cache, const sgl_tensor* sinks);

#ifdef __cplusplus
}
#endif
#endif
