#include "cpu/activation/activation_kernels.hpp"

#include "cpu/isa/vector_map.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// e^x over the whole range, unlike `exp2`: infinity where it overflows, so that silu of a large negative number is 0 and not
/// a quotient of two large numbers; NaN for NaN. Coefficients of Cephes' expf, 2 units in the last place.
inline Vec exponential(Vec x) {
  // x = n ln 2 + f with |f| <= ln 2 / 2; outside [-104, 89] the result is 0 or infinity anyway, and a NaN fails both tests.
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
  Vec bounded = x > 89.0f ? broadcast(89.0f) : x;
  bounded = bounded < -104.0f ? broadcast(-104.0f) : bounded;
  const Vec n = (bounded * kLog2E + kRounder) - kRounder;
  const Vec f = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact times n
  Vec p = broadcast(1.9875691500e-4f);
  p = multiply_add(p, f, broadcast(1.3981999507e-3f));
  p = multiply_add(p, f, broadcast(8.3334519073e-3f));
  p = multiply_add(p, f, broadcast(4.1665795894e-2f));
  p = multiply_add(p, f, broadcast(1.6666665459e-1f));
  p = multiply_add(p, f, broadcast(5.0000001201e-1f));
  p = multiply_add(p * f, f, f + 1.0f);
  // 2^n in two factors, so that both are normal numbers for every n in [-150, 128].
  const IntVec whole = __builtin_convertvector(n == n ? n : Vec{}, IntVec);
  const IntVec half = whole >> 1;
  return p * reinterpret_cast<Vec>((half + 127) << 23) * reinterpret_cast<Vec>((whole - half + 127) << 23);
}

template <class T>
void silu_mul(void* y, const void* gate, const void* up, int64_t n) {
  const auto function = [](Vec g, Vec u) { return g / (1.0f + exponential(-g)) * u; };
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
