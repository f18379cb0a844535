#include "cpu/rope/rope_kernels.hpp"

#include "cpu/isa/simd.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

template <class T>
void rotate_half_split(void* heads, int64_t head_stride, int64_t num_heads, const float* cos, const float* sin, int64_t half) {
  for (int64_t head = 0; head < num_heads; ++head) {
    T* first = static_cast<T*>(heads) + head * head_stride;
    T* second = first + half;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int count = static_cast<int>(half - i < kLanes ? half - i : kLanes);
      const Vec a = load_partial(first + i, count), b = load_partial(second + i, count);
      const Vec c = load_partial(cos + i, count), s = load_partial(sin + i, count);
      store_partial(first + i, a * c - b * s, count);
      store_partial(second + i, b * c + a * s, count);
    }
  }
}

constexpr int kPairs = kLanes / 2;

/// Neighbours exchanged: lanes 1, 0, 3, 2 ...
inline Vec swap_neighbours(Vec x) { return __builtin_shuffle(x, lane_indices() ^ 1); }

/// Each of the first `count` values twice, the first time multiplied by `sign`.
inline Vec twice(const float* values, int count, float sign) {
  float lanes[kLanes] = {};
  for (int i = 0; i < count; ++i) {
    lanes[2 * i] = sign * values[i];
    lanes[2 * i + 1] = values[i];
  }
  return load(lanes);
}

// The angles are spread out once for all heads of a token; a vector of values is then two multiplications and a shuffle.
template <class T>
void rotate_interleaved(void* heads, int64_t head_stride, int64_t num_heads, const float* cos, const float* sin, int64_t half) {
  for (int64_t i = 0; i < half; i += kPairs) {
    const int count = static_cast<int>(half - i < kPairs ? half - i : kPairs);
    const Vec cosines = twice(cos + i, count, 1), sines = twice(sin + i, count, -1);
    for (int64_t head = 0; head < num_heads; ++head) {
      T* values = static_cast<T*>(heads) + head * head_stride + 2 * i;
      const Vec x = load_partial(values, 2 * count);
      store_partial(values, x * cosines + swap_neighbours(x) * sines, 2 * count);
    }
  }
}

}  // namespace

SGL_DEFINE_KERNELS(RopeKernels, kRopeKernels) = {
    rotate_half_split<float>,
    rotate_half_split<uint16_t>,
    rotate_interleaved<float>,
    rotate_interleaved<uint16_t>,
};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
