#include "cpu/norm/norm_kernels.hpp"

#include "cpu/linear/float_conversion.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

inline float load(const float* p) { return *p; }
inline float load(const uint16_t* p) { return bf16_to_float(*p); }
inline void store(float* p, float value) { *p = value; }
inline void store(uint16_t* p, float value) { *p = float_to_bf16(value); }

template <class T>
void norm_rows(const NormRows& rows, int64_t begin, int64_t end) {
  const T* weight = static_cast<const T*>(rows.weight);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t i = row / rows.num_inner, j = row % rows.num_inner;
    T* y = static_cast<T*>(rows.y) + i * rows.y_stride[0] + j * rows.y_stride[1];
    const T* x = static_cast<const T*>(rows.x) + i * rows.x_stride[0] + j * rows.x_stride[1];
    T* residual = nullptr;
    if (rows.residual) residual = static_cast<T*>(rows.residual) + i * rows.residual_stride[0] + j * rows.residual_stride[1];
    float sum_of_squares = 0;
    for (int64_t c = 0; c < rows.width; ++c) {
      const float value = residual ? load(x + c) + load(residual + c) : load(x + c);
      sum_of_squares += value * value;
    }
    const float scale = 1 / __builtin_sqrtf(sum_of_squares / static_cast<float>(rows.width) + rows.eps);
    for (int64_t c = 0; c < rows.width; ++c) {
      const float value = residual ? load(x + c) + load(residual + c) : load(x + c);
      if (residual) store(residual + c, value);
      store(y + c, value * scale * load(weight + c));
    }
  }
}

}  // namespace

SGL_DEFINE_KERNELS(NormKernels, kNormKernels) = {norm_rows<float>, norm_rows<uint16_t>};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
