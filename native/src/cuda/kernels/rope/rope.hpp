#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// A position outside the table leaves its token as it is.
void rope(CudaContext& context, const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions,
          const sgl_tensor& cos_sin, sgl_rope_layout layout);

/// Likewise; a slot outside the cache is skipped.
void rope_append(CudaContext& context, const sgl_rope_append_args& args);

}  // namespace sgl::cuda
