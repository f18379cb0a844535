#include "cpu/element_rows.hpp"
#include "cpu/quant/convert_kernels.hpp"
#include "cpu/quant/quant.hpp"
#include "cpu/threads/row_split.hpp"

namespace sgl::cpu {

void convert(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x) {
  static_assert(SGL_F32 == 0 && SGL_BF16 == 1 && SGL_F16 == 2, "the kernel table is indexed by sgl_dtype");
  const ConvertRow kernel = SGL_SELECT_KERNELS(context.isa, kConvertKernels).rows[y.dtype][x.dtype];
  const int last = y.rank - 1;
  const int64_t width = y.shape[last];
  const bool is_dense = width == 1 || (y.stride[last] == 1 && x.stride[last] == 1);
  for_each_row(context.pool, num_rows_of(y), width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t y_row = row_offset(y, row), x_row = row_offset(x, row);
      if (is_dense) {
        kernel(element(y, y_row), element(x, x_row), width);
        continue;
      }
      for (int64_t i = 0; i < width; ++i) {
        kernel(element(y, y_row + i * y.stride[last]), element(x, x_row + i * x.stride[last]), 1);
      }
    }
  });
}

}  // namespace sgl::cpu
