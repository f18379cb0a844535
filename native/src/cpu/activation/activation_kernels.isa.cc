#include "cpu/activation/activation_kernels.hpp"

#include "cpu/linear/float_conversion.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

inline float load(const float* p) { return *p; }
inline float load(const uint16_t* p) { return bf16_to_float(*p); }
inline void store(float* p, float value) { *p = value; }
inline void store(uint16_t* p, float value) { *p = float_to_bf16(value); }

template <class T>
void silu_mul(void* y, const void* gate, const void* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = load(static_cast<const T*>(gate) + i);
    store(static_cast<T*>(y) + i, g / (1 + __builtin_expf(-g)) * load(static_cast<const T*>(up) + i));
  }
}

template <class T>
void add(void* y, const void* a, const void* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    store(static_cast<T*>(y) + i, load(static_cast<const T*>(a) + i) + load(static_cast<const T*>(b) + i));
  }
}

template <class T>
void add_scaled(void* y, const void* x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    store(static_cast<T*>(y) + i, load(static_cast<const T*>(y) + i) + load(static_cast<const T*>(x) + i) * factor);
  }
}

}  // namespace

SGL_DEFINE_KERNELS(ActivationKernels, kActivationKernels) = {
    silu_mul<float>, silu_mul<uint16_t>, add<float>, add<uint16_t>, add_scaled<float>, add_scaled<uint16_t>,
};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
