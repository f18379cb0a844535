#include "sgl/rope.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

namespace {

void check_layout(const char* op, const sgl_tensor* q, const sgl_tensor* cos_sin, sgl_rope_layout layout) {
  if (cos_sin->shape[1] > q->shape[2]) {
    fail(SGL_INVALID_ARGUMENT, "%s: rotary_dim is %lld, head_dim is %lld: expected at most head_dim", op,
         static_cast<long long>(cos_sin->shape[1]), static_cast<long long>(q->shape[2]));
  }
  if (layout != SGL_ROPE_HALF_SPLIT && layout != SGL_ROPE_INTERLEAVED) {
    fail(SGL_INVALID_ARGUMENT, "%s: layout is %d: expected 0 (half split) or 1 (interleaved)", op, static_cast<int>(layout));
  }
}

}  // namespace

sgl_status sgl_rope(sgl_context* context, const sgl_tensor* q, const sgl_tensor* k, const sgl_tensor* positions,
                    const sgl_tensor* cos_sin, sgl_rope_layout layout) {
  constexpr const char* op = "rope";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_tokens = match.dim("num_tokens"), head_dim = match.dim("head_dim");
    const auto half = match.dim("rotary_dim / 2");
    match.tensor("q", q).is(type).shape({num_tokens, match.dim("num_q_heads"), head_dim}).last_dense();
    match.tensor("k", k).is(type).shape({num_tokens, match.dim("num_kv_heads"), head_dim}).last_dense();
    match.tensor("positions", positions).is(SGL_I32).shape({num_tokens}).dense();
    match.tensor("cos_sin", cos_sin).is(SGL_F32).shape({match.dim("max_position"), 2 * half}).last_dense();
    check_layout(op, q, cos_sin, layout);
    if (match.size_of(num_tokens) == 0) return;
    backend.rope(*q, *k, *positions, *cos_sin, layout);
  });
}

sgl_status sgl_rope_append(sgl_context* context, const sgl_rope_append_args* args) {
  constexpr const char* op = "rope_append";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_rope_append_args& a = require(op, "args", args);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_tokens = match.dim("num_tokens"), head_dim = match.dim("head_dim"), num_kv_heads = match.dim("num_kv_heads");
    const auto num_pages = match.dim("num_pages"), page_size = match.dim("page_size"), half = match.dim("rotary_dim / 2");
    match.tensor("q", a.q).is(type).shape({num_tokens, match.dim("num_q_heads"), head_dim}).last_dense();
    match.tensor("k", a.k).is(type).shape({num_tokens, num_kv_heads, head_dim}).last_dense();
    match.tensor("v", a.v).is(type).shape({num_tokens, num_kv_heads, head_dim}).last_dense();
    match.tensor("k_cache", a.k_cache).is(type).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("v_cache", a.v_cache).is(type).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("slots", a.slots).is(SGL_I32).shape({num_tokens}).dense();
    match.tensor("positions", a.positions).is(SGL_I32).shape({num_tokens}).dense();
    match.tensor("cos_sin", a.cos_sin).is(SGL_F32).shape({match.dim("max_position"), 2 * half}).last_dense();
    if ((a.q_norm == nullptr) != (a.k_norm == nullptr)) {
      fail(SGL_INVALID_ARGUMENT, "%s: %s is null: expected both q_norm and k_norm or neither", op,
           a.q_norm == nullptr ? "q_norm" : "k_norm");
    }
    if (a.q_norm != nullptr) {
      match.tensor("q_norm", a.q_norm).is(type).shape({head_dim}).dense();
      match.tensor("k_norm", a.k_norm).is(type).shape({head_dim}).dense();
    }
    check_layout(op, a.q, a.cos_sin, a.layout);
    if (match.size_of(num_tokens) == 0) return;
    backend.rope_append(a);
  });
}
