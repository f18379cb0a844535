#ifndef SGL_ROPE_H
#define SGL_ROPE_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sgl_rope_layout {
  /// Pair (i, i + rotary_dim/2).
  SGL_ROPE_HALF_SPLIT = 0,
  /// Pair (2i, 2i + 1).
  SGL_ROPE_INTERLEAVED = 1
} sgl_rope_layout;

/// Rotates q [num_tokens, num_q_heads, head_dim] and k [num_tokens, num_kv_heads, head_dim] in place, the first rotary_dim
/// values of each head. cos_sin is f32 [max_position, rotary_dim]: rotary_dim/2 cosines, then as many sines; any scaling
/// (linear, dynamic, llama3, yarn) is already in the table. positions is i32 [num_tokens], each in [0, max_position).
SGL_API sgl_status sgl_rope(sgl_context* context, const sgl_tensor* q, const sgl_tensor* k, const sgl_tensor* positions,
                            const sgl_tensor* cos_sin, sgl_rope_layout layout);

typedef struct sgl_rope_append_args {
  /// [num_tokens, num_q_heads, head_dim] and twice [num_tokens, num_kv_heads, head_dim], the last dimension dense.
  const sgl_tensor* q;
  const sgl_tensor* k;
  const sgl_tensor* v;
  /// A layer's caches and i32 [num_tokens] places in them, as in `sgl_kv_append`.
  const sgl_tensor* k_cache;
  const sgl_tensor* v_cache;
  const sgl_tensor* slots;
  /// As in `sgl_rope`. Like slots and the table written by copies, not by operators: they may be read while operators queued
  /// before this one are at work.
  const sgl_tensor* positions;
  const sgl_tensor* cos_sin;
  /// [head_dim]: weights of an RMS norm over each head of q and of k before the rotation; both null for none.
  const sgl_tensor* q_norm;
  const sgl_tensor* k_norm;
  float eps;
  sgl_rope_layout layout;
} sgl_rope_append_args;

/// All that lies between the projection of q, k and v and attention, in one pass: q is normalised and rotated in place, k
/// likewise on its way into the cache, v goes there as it is. Each step is rounded as if it were an operator by itself. What k
/// holds afterwards is undefined.
SGL_API sgl_status sgl_rope_append(sgl_context* context, const sgl_rope_append_args* args);

#ifdef __cplusplus
}
#endif
#endif
