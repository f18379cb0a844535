#include "sgl/quant.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

sgl_status sgl_convert(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x) {
  constexpr const char* op = "convert";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto from = match.type({SGL_F32, SGL_BF16, SGL_F16}), to = match.type({SGL_F32, SGL_BF16, SGL_F16});
    const auto input = match.tensor("x", x).is(from);
    match.tensor("y", y).is(to).same_shape_as(input).disjoint_from(input);
    if (match.is_empty(y)) return;
    backend.convert(*y, *x);
  });
}
