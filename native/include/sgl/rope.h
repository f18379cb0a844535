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

#ifdef __cplusplus
}
#endif
#endif
