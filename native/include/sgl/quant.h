#ifndef SGL_QUANT_H
#define SGL_QUANT_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// y = x converted to y's type, elementwise over equal shapes; f32, bf16 and f16, round to nearest even.
SGL_API sgl_status sgl_convert(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x);

#ifdef __cplusplus
}
#endif
#endif
