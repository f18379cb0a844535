#include "cpu/activation/activation_kernels.hpp"

#include "cpu/isa/vector_map.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

template <class T>
void silu_mul(void* y, const void* gate, const void* up, int64_t n) {
  const auto function = [](Vec g, Vec u) { return silu(g) * u; };
  map(static_cast<T*>(y), n, function, static_cast<const T*>(gate), static_cast<const T*>(up));
}

template <class T>
void add(void* y, const void* a, const void* b, int64_t n) {
  map(
      static_cast<T*>(y), n, [](Vec u, Vec v) { return u + v; }, static_cast<const T*>(a), static_cast<const T*>(b));
}

template <class T>
void add_scaled(void* y, const void* x, float factor, int64_t n) {
  const auto function = [factors = broadcast(factor)](Vec u, Vec v) { return multiply_add(v, factors, u); };
  map(static_cast<T*>(y), n, function, static_cast<const T*>(y), static_cast<const T*>(x));
}

}  // namespace

SGL_DEFINE_KERNELS(ActivationKernels, kActivationKernels) = {
    silu_mul<float>, silu_mul<uint16_t>, add<float>, add<uint16_t>, add_scaled<float>, add_scaled<uint16_t>,
};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
