#include "sgl/kvcache.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

sgl_status sgl_kv_append(sgl_context* context, const sgl_tensor* k_cache, const sgl_tensor* v_cache, const sgl_tensor* k,
                         const sgl_tensor* v, const sgl_tensor* slots) {
  constexpr const char* op = "kv_append";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_pages = match.dim("num_pages"), num_kv_heads = match.dim("num_kv_heads");
    const auto page_size = match.dim("page_size"), head_dim = match.dim("head_dim"), num_tokens = match.dim("num_tokens");
    match.tensor("k_cache", k_cache).is(type).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("v_cache", v_cache).is(type).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("k", k).is(type).shape({num_tokens, num_kv_heads, head_dim}).last_dense();
    match.tensor("v", v).is(type).shape({num_tokens, num_kv_heads, head_dim}).last_dense();
    match.tensor("slots", slots).is(SGL_I32).shape({num_tokens}).dense();
    if (match.is_empty(k)) return;
    backend.kv_append(*k_cache, *v_cache, *k, *v, *slots);
  });
}

sgl_status sgl_kv_copy(sgl_context* context, const sgl_tensor* k_cache, const sgl_tensor* v_cache,
                       const sgl_tensor* destination_pages, const sgl_tensor* source_pages) {
  constexpr const char* op = "kv_copy";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_pages = match.dim("num_pages"), num_kv_heads = match.dim("num_kv_heads");
    const auto page_size = match.dim("page_size"), head_dim = match.dim("head_dim"), num_copies = match.dim("num_copies");
    match.tensor("k_cache", k_cache).is(type).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("v_cache", v_cache).is(type).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("destination_pages", destination_pages).is(SGL_I32).shape({num_copies}).dense();
    match.tensor("source_pages", source_pages).is(SGL_I32).shape({num_copies}).dense();
    if (match.size_of(num_copies) == 0) return;
    backend.kv_copy(*k_cache, *v_cache, *destination_pages, *source_pages);
  });
}
