#ifndef SGL_ACTIVATION_H
#define SGL_ACTIVATION_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// y [num_rows, n] = silu(gate_up[:, :n]) * gate_up[:, n:], gate_up is [num_rows, 2n]; computed in f32.
SGL_API sgl_status sgl_silu_mul(sgl_context* context, const sgl_tensor* y, const sgl_tensor* gate_up);

/// y = a + b elementwise over equal shapes, computed in f32; y may alias either.
SGL_API sgl_status sgl_add(sgl_context* context, const sgl_tensor* y, const sgl_tensor* a, const sgl_tensor* b);

/// y [num_rows, n] += x [num_rows, n] * sigmoid(gate [num_rows, 1]): the gated shared expert of Qwen2-MoE.
SGL_API sgl_status sgl_add_sigmoid_gated(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* gate);

#ifdef __cplusplus
}
#endif
#endif
