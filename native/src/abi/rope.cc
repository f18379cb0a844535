#include "sgl/rope.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

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
    if (cos_sin->shape[1] > q->shape[2]) {
      fail(SGL_INVALID_ARGUMENT, "%s: rotary_dim is %lld, head_dim is %lld: expected at most head_dim", op,
           static_cast<long long>(cos_sin->shape[1]), static_cast<long long>(q->shape[2]));
    }
    if (layout != SGL_ROPE_HALF_SPLIT && layout != SGL_ROPE_INTERLEAVED) {
      fail(SGL_INVALID_ARGUMENT, "%s: layout is %d: expected 0 (half split) or 1 (interleaved)", op, static_cast<int>(layout));
    }
    if (match.size_of(num_tokens) == 0) return;
    backend.rope(*q, *k, *positions, *cos_sin, layout);
  });
}
