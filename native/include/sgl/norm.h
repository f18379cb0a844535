#ifndef SGL_NORM_H
#define SGL_NORM_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// y = x * rsqrt(mean(x^2) + eps) * weight over the last dimension, computed in f32; y may alias x. x and y are
/// [num_rows, hidden] or [num_rows, num_heads, head_dim] with any strides but a dense last dimension; weight is dense.
SGL_API sgl_status sgl_rms_norm(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* weight,
                                float eps);

/// residual += x, then y = rms_norm(residual). The sum is formed in f32, rounded for storage, and feeds the variance
/// unrounded. All of x, y, residual are [num_rows, hidden]; y may alias x.
SGL_API sgl_status sgl_add_rms_norm(sgl_context* context, const sgl_tensor* y, const sgl_tensor* residual,
                                    const sgl_tensor* x, const sgl_tensor* weight, float eps);

#ifdef __cplusplus
}
#endif
#endif
