#include "sgl/norm.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

sgl_status sgl_rms_norm(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* weight, float eps) {
  constexpr const char* op = "rms_norm";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_rows = match.dim("num_rows"), num_heads = match.dim("num_heads"), hidden = match.dim("hidden");
    const auto input = match.tensor("x", x).is(type).shape({num_rows, hidden}, {num_rows, num_heads, hidden}).last_dense();
    match.tensor("weight", weight).is(type).shape({hidden}).dense();
    match.tensor("y", y).is(type).same_rank_as(input).shape({num_rows, hidden}, {num_rows, num_heads, hidden}).last_dense();
    check_eps(op, eps);
    if (match.is_empty(y)) return;
    backend.rms_norm(*y, *x, *weight, eps);
  });
}

sgl_status sgl_add_rms_norm(sgl_context* context, const sgl_tensor* y, const sgl_tensor* residual, const sgl_tensor* x,
                            const sgl_tensor* weight, float eps) {
  constexpr const char* op = "add_rms_norm";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_rows = match.dim("num_rows"), hidden = match.dim("hidden");
    auto input = match.tensor("x", x).is(type).shape({num_rows, hidden}).last_dense();
    match.tensor("weight", weight).is(type).shape({hidden}).dense();
    auto sum = match.tensor("residual", residual).is(type).shape({num_rows, hidden}).last_dense().disjoint_from(input);
    match.tensor("y", y).is(type).shape({num_rows, hidden}).last_dense().disjoint_from(sum);
    check_eps(op, eps);
    if (match.is_empty(y)) return;
    backend.add_rms_norm(*y, *residual, *x, *weight, eps);
  });
}
