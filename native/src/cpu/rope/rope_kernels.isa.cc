#include "cpu/rope/rope_kernels.hpp"

#include "cpu/linear/float_conversion.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

inline float load(const float* p) { return *p; }
inline float load(const uint16_t* p) { return bf16_to_float(*p); }
inline void store(float* p, float value) { *p = value; }
inline void store(uint16_t* p, float value) { *p = float_to_bf16(value); }

template <class T, bool kInterleaved>
void rotate_heads(void* heads, int64_t head_stride, int64_t num_heads, const float* cos, const float* sin, int64_t half) {
  for (int64_t head = 0; head < num_heads; ++head) {
    T* values = static_cast<T*>(heads) + head * head_stride;
    for (int64_t i = 0; i < half; ++i) {
      T* first = values + (kInterleaved ? 2 * i : i);
      T* second = values + (kInterleaved ? 2 * i + 1 : i + half);
      const float a = load(first), b = load(second);
      store(first, a * cos[i] - b * sin[i]);
      store(second, b * cos[i] + a * sin[i]);
    }
  }
}

}  // namespace

SGL_DEFINE_KERNELS(RopeKernels, kRopeKernels) = {
    rotate_heads<float, false>,
    rotate_heads<uint16_t, false>,
    rotate_heads<float, true>,
    rotate_heads<uint16_t, true>,
};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
