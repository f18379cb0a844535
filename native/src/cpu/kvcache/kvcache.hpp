#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

void kv_append(CpuContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k,
               const sgl_tensor& v, const sgl_tensor& slots);
void kv_copy(CpuContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
             const sgl_tensor& source_pages);

}  // namespace sgl::cpu
