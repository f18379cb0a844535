#include "cpu/rope/rope.hpp"

#include <cinttypes>

#include "abi/error.hpp"
#include "cpu/element_rows.hpp"
#include "cpu/rope/rope_kernels.hpp"
#include "cpu/threads/row_split.hpp"

namespace sgl::cpu {
namespace {

RotateHeads kernel_of(const CpuContext& context, sgl_dtype dtype, sgl_rope_layout layout) {
  const RopeKernels& kernels = SGL_SELECT_KERNELS(context.isa, kRopeKernels);
  if (layout == SGL_ROPE_INTERLEAVED) return dtype == SGL_BF16 ? kernels.interleaved_bf16 : kernels.interleaved_f32;
  return dtype == SGL_BF16 ? kernels.half_split_bf16 : kernels.half_split_f32;
}

}  // namespace

void rope(CpuContext& context, const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions, const sgl_tensor& cos_sin,
          sgl_rope_layout layout) {
  const int64_t num_tokens = q.shape[0], max_position = cos_sin.shape[0], half = cos_sin.shape[1] / 2;
  const int32_t* position_of = static_cast<const int32_t*>(positions.data);
  for (int64_t token = 0; token < num_tokens; ++token) {
    if (position_of[token] < 0 || position_of[token] >= max_position) {
      fail(SGL_INVALID_ARGUMENT, "rope: position of token %" PRId64 " is %" PRId32 ": expected 0 to %" PRId64, token,
           position_of[token], max_position - 1);
    }
  }
  const RotateHeads kernel = kernel_of(context, q.dtype, layout);
  const int64_t width = (q.shape[1] + k.shape[1]) * 2 * half;
  for_each_row(context.pool, num_tokens, width, [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      const float* cos = static_cast<const float*>(cos_sin.data) + position_of[token] * cos_sin.stride[0];
      for (const sgl_tensor* heads : {&q, &k}) {
        kernel(element(*heads, token * heads->stride[0]), heads->stride[1], heads->shape[1], cos, cos + half, half);
      }
    }
  });
}

}  // namespace sgl::cpu
