#include "cpu/norm/norm.hpp"

#include "cpu/norm/norm_kernels.hpp"
#include "cpu/threads/row_split.hpp"

namespace sgl::cpu {
namespace {

void run(CpuContext& context, const NormRows& rows, int64_t num_rows, sgl_dtype dtype) {
  const NormKernels& kernels = SGL_SELECT_KERNELS(context.isa, kNormKernels);
  const auto kernel = dtype == SGL_BF16 ? kernels.bf16 : kernels.f32;
  for_each_row(context.pool, num_rows, rows.width, [&](int64_t begin, int64_t end) { kernel(rows, begin, end); });
}

}  // namespace

void rms_norm(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps) {
  const bool has_heads = x.rank == 3;
  NormRows rows{};
  rows.y = y.data;
  rows.x = x.data;
  rows.weight = weight.data;
  rows.num_inner = has_heads ? x.shape[1] : 1;
  rows.y_stride[0] = y.stride[0];
  rows.x_stride[0] = x.stride[0];
  if (has_heads) {
    rows.y_stride[1] = y.stride[1];
    rows.x_stride[1] = x.stride[1];
  }
  rows.width = weight.shape[0];
  rows.eps = eps;
  run(context, rows, x.shape[0] * rows.num_inner, x.dtype);
}

void add_rms_norm(CpuContext& context, const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                  const sgl_tensor& weight, float eps) {
  NormRows rows{};
  rows.y = y.data;
  rows.residual = residual.data;
  rows.x = x.data;
  rows.weight = weight.data;
  rows.y_stride[0] = y.stride[0];
  rows.residual_stride[0] = residual.stride[0];
  rows.x_stride[0] = x.stride[0];
  rows.num_inner = 1;
  rows.width = weight.shape[0];
  rows.eps = eps;
  run(context, rows, x.shape[0], x.dtype);
}

}  // namespace sgl::cpu
