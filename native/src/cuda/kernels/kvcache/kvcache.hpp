#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

void kv_append(CudaContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k,
               const sgl_tensor& v, const sgl_tensor& slots);
void kv_copy(CudaContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
             const sgl_tensor& source_pages);

}  // namespace sgl::cuda
