#ifndef SGL_KVCACHE_H
#define SGL_KVCACHE_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A layer's cache is one tensor for K and one for V, each [num_pages, num_kv_heads, page_size, head_dim], dense. Page 0 is
/// a dummy that padded tokens write to.

/// Writes k and v [num_tokens, num_kv_heads, head_dim] (last dimension dense) to `slots` (i32 [num_tokens]);
/// slot = page * page_size + row in page. Equal slots are allowed only in page 0.
SGL_API sgl_status sgl_kv_append(sgl_context* context, const sgl_tensor* k_cache, const sgl_tensor* v_cache,
                                 const sgl_tensor* k, const sgl_tensor* v, const sgl_tensor* slots);

/// Copies whole pages inside a cache: page destination_pages[i] = page source_pages[i], both i32 [num_copies], disjoint.
SGL_API sgl_status sgl_kv_copy(sgl_context* context, const sgl_tensor* k_cache, const sgl_tensor* v_cache,
                               const sgl_tensor* destination_pages, const sgl_tensor* source_pages);

#ifdef __cplusplus
}
#endif
#endif
