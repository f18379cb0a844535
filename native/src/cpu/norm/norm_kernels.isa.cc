#include "cpu/norm/norm_kernels.hpp"

#include "cpu/isa/simd.hpp"

// Bound: memory, and in decode the latency of one row. Two passes over a row that the first has brought into the nearest
// cache: sum of squares, then scale. With a residual the sum is formed in both passes, which is cheaper than keeping it.

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// Independent sums that hide the latency of a multiply-add.
constexpr int kSums = 4;

/// x + residual, or x alone for a plain norm.
template <class T, bool kHasResidual>
struct Input {
  const T* x;
  const T* residual;

  Vec at(int64_t i) const {
    if constexpr (kHasResidual) return load(x + i) + load(residual + i);
    return load(x + i);
  }
  Vec first(int64_t i, int count) const {
    if constexpr (kHasResidual) return load_partial(x + i, count) + load_partial(residual + i, count);
    return load_partial(x + i, count);
  }
};

template <class T, bool kHasResidual>
float sum_of_squares(const Input<T, kHasResidual>& input, int64_t width) {
  Vec sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums * kLanes <= width; i += kSums * kLanes) {
    for (int s = 0; s < kSums; ++s) {
      const Vec value = input.at(i + s * kLanes);
      sums[s] = multiply_add(value, value, sums[s]);
    }
  }
  for (; i < width; i += kLanes) {
    const Vec value = input.first(i, static_cast<int>(width - i < kLanes ? width - i : kLanes));
    sums[0] = multiply_add(value, value, sums[0]);
  }
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class T, bool kHasResidual>
void norm_row(T* y, T* residual, const T* x, const T* weight, int64_t width, float eps) {
  const Input<T, kHasResidual> input{x, residual};
  const float mean = sum_of_squares(input, width) / static_cast<float>(width);
  const Vec scale = broadcast(1 / __builtin_sqrtf(mean + eps));
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const Vec value = input.at(i);
    if constexpr (kHasResidual) store(residual + i, value);
    store(y + i, value * scale * load(weight + i));
  }
  const int rest = static_cast<int>(width - i);
  if (rest > 0) {
    const Vec value = input.first(i, rest);
    if constexpr (kHasResidual) store_partial(residual + i, value, rest);
    store_partial(y + i, value * scale * load_partial(weight + i, rest), rest);
  }
}

template <class T>
void norm_rows(const NormRows& rows, int64_t begin, int64_t end) {
  const T* weight = static_cast<const T*>(rows.weight);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t i = row / rows.num_inner, j = row % rows.num_inner;
    T* y = static_cast<T*>(rows.y) + i * rows.y_stride[0] + j * rows.y_stride[1];
    const T* x = static_cast<const T*>(rows.x) + i * rows.x_stride[0] + j * rows.x_stride[1];
    if (rows.residual == nullptr) {
      norm_row<T, false>(y, nullptr, x, weight, rows.width, rows.eps);
    } else {
      T* residual = static_cast<T*>(rows.residual) + i * rows.residual_stride[0] + j * rows.residual_stride[1];
      norm_row<T, true>(y, residual, x, weight, rows.width, rows.eps);
    }
  }
}

}  // namespace

SGL_DEFINE_KERNELS(NormKernels, kNormKernels) = {norm_rows<float>, norm_rows<uint16_t>};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
