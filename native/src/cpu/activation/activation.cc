#include "cpu/activation/activation.hpp"

#include <cmath>

#include "cpu/activation/activation_kernels.hpp"
#include "cpu/element_rows.hpp"
#include "cpu/isa/float_conversion.hpp"
#include "cpu/threads/row_split.hpp"

namespace sgl::cpu {
namespace {

const ActivationKernels& kernels_of(const CpuContext& context) { return SGL_SELECT_KERNELS(context.isa, kActivationKernels); }

float load(const sgl_tensor& tensor, int64_t offset) {
  if (tensor.dtype == SGL_F32) return static_cast<const float*>(tensor.data)[offset];
  return bf16_to_float(static_cast<const uint16_t*>(tensor.data)[offset]);
}

}  // namespace

void silu_mul(CpuContext& context, const sgl_tensor& y, const sgl_tensor& gate_up) {
  const ActivationKernels& kernels = kernels_of(context);
  const auto kernel = y.dtype == SGL_BF16 ? kernels.silu_mul_bf16 : kernels.silu_mul_f32;
  const int64_t n = y.shape[1];
  for_each_row(context.pool, y.shape[0], n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernel(element(y, row, 0), element(gate_up, row, 0), element(gate_up, row, n), n);
    }
  });
}

void add(CpuContext& context, const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b) {
  const ActivationKernels& kernels = kernels_of(context);
  const auto kernel = y.dtype == SGL_BF16 ? kernels.add_bf16 : kernels.add_f32;
  const int last = y.rank - 1;
  const int64_t width = y.shape[last];
  const bool is_dense = width == 1 || (y.stride[last] == 1 && a.stride[last] == 1 && b.stride[last] == 1);
  for_each_row(context.pool, num_rows_of(y), width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t y_row = row_offset(y, row), a_row = row_offset(a, row), b_row = row_offset(b, row);
      if (is_dense) {
        kernel(element(y, y_row), element(a, a_row), element(b, b_row), width);
        continue;
      }
      for (int64_t i = 0; i < width; ++i) {
        kernel(element(y, y_row + i * y.stride[last]), element(a, a_row + i * a.stride[last]),
               element(b, b_row + i * b.stride[last]), 1);
      }
    }
  });
}

void add_sigmoid_gated(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) {
  const ActivationKernels& kernels = kernels_of(context);
  const auto kernel = y.dtype == SGL_BF16 ? kernels.add_scaled_bf16 : kernels.add_scaled_f32;
  for_each_row(context.pool, y.shape[0], y.shape[1], [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float factor = 1 / (1 + std::exp(-load(gate, row * gate.stride[0])));
      kernel(element(y, row, 0), element(x, row, 0), factor, y.shape[1]);
    }
  });
}

}  // namespace sgl::cpu
