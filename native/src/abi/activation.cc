#include "sgl/activation.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

sgl_status sgl_silu_mul(sgl_context* context, const sgl_tensor* y, const sgl_tensor* gate_up) {
  constexpr const char* op = "silu_mul";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_rows = match.dim("num_rows"), n = match.dim("n");
    match.tensor("y", y).is(type).shape({num_rows, n}).last_dense();
    match.tensor("gate_up", gate_up).is(type).shape({num_rows, 2 * n}).last_dense();
    if (match.is_empty(y)) return;
    backend.silu_mul(*y, *gate_up);
  });
}

sgl_status sgl_add(sgl_context* context, const sgl_tensor* y, const sgl_tensor* a, const sgl_tensor* b) {
  constexpr const char* op = "add";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto output = match.tensor("y", y).is(type);
    match.tensor("a", a).is(type).same_shape_as(output);
    match.tensor("b", b).is(type).same_shape_as(output);
    if (match.is_empty(y)) return;
    backend.add(*y, *a, *b);
  });
}

sgl_status sgl_add_sigmoid_gated(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* gate) {
  constexpr const char* op = "add_sigmoid_gated";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_rows = match.dim("num_rows"), n = match.dim("n");
    match.tensor("y", y).is(type).shape({num_rows, n}).last_dense();
    match.tensor("x", x).is(type).shape({num_rows, n}).last_dense();
    match.tensor("gate", gate).is(type, SGL_F32).shape({num_rows, 1});
    if (match.is_empty(y)) return;
    backend.add_sigmoid_gated(*y, *x, *gate);
  });
}
