#pragma once

#include "sgl/kvcache.h"

namespace sgl::reference {

/// sgl_kv_append for one of K and V, element by element.
void kv_append(const sgl_tensor& cache, const sgl_tensor& x, const sgl_tensor& slots);

/// sgl_kv_copy for one of K and V, element by element.
void kv_copy(const sgl_tensor& cache, const sgl_tensor& destination_pages, const sgl_tensor& source_pages);

}  // namespace sgl::reference
