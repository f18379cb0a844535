#pragma once

#include <cstddef>
#include <cstdint>

#if defined(SGL_ISA_avx2) || defined(SGL_ISA_avx512_bf16)
// GCC 12 takes the undefined operands inside these headers for mistakes (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

// One register of floats, as wide as the instruction set, for blocked `*.isa.cc` kernels that count registers
// (element-wise ones are written with vector_map.hpp). Operators come with the compiler's vector types; the rest is below.
// Internal linkage throughout, because each set has its own copy.

namespace sgl::cpu {
namespace {

#if defined(SGL_ISA_avx512_bf16)
constexpr int kLanes = 16;
#elif defined(SGL_ISA_avx2)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef uint32_t WordVec __attribute__((vector_size(kLanes * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(kLanes * 2)));

constexpr float kInfinity = __builtin_inff();
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

inline Vec broadcast(float x) { return Vec{} + x; }

inline Vec load(const float* p) {
  Vec x;
  __builtin_memcpy(&x, p, sizeof(x));
  return x;
}

inline void store(float* p, Vec x) { __builtin_memcpy(p, &x, sizeof(x)); }

inline Vec load(const uint16_t* bf16) {
  HalfVec half;
  __builtin_memcpy(&half, bf16, sizeof(half));
  return reinterpret_cast<Vec>(__builtin_convertvector(half, WordVec) << 16);
}

/// Rounded to nearest, ties to even, in the low half of each lane; a NaN stays a NaN.
inline HalfVec round_to_bf16(Vec x) {
  const WordVec bits = reinterpret_cast<WordVec>(x);
  const WordVec rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const WordVec quiet_nan = (bits >> 16) | 0x40u;
  return __builtin_convertvector(x == x ? rounded : quiet_nan, HalfVec);
}

/// Rounds to nearest, ties to even, to the same bits on every instruction set.
inline void store(uint16_t* bf16, Vec x) {
#if defined(SGL_ISA_avx512_bf16)
  // The conversion instruction takes subnormal numbers for zero; the rare vector that has one goes the long way.
  constexpr int kSubnormal = 0x20;
  if (__builtin_expect(_mm512_fpclass_ps_mask(x, kSubnormal) == 0, 1)) {
    const __m256bh half = _mm512_cvtneps_pbh(x);
    __builtin_memcpy(bf16, &half, sizeof(half));
    return;
  }
#endif
  const HalfVec half = round_to_bf16(x);
  __builtin_memcpy(bf16, &half, sizeof(half));
}

/// The first `count` lanes of p, zeros after; reads nothing past them.
template <class Element>
inline Vec load_partial(const Element* p, int count) {
  if (count >= kLanes) return load(p);
  Element lanes[kLanes] = {};
  for (int i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}

/// Writes the first `count` lanes only.
template <class Element>
inline void store_partial(Element* p, Vec x, int count) {
  if (count >= kLanes) {
    store(p, x);
    return;
  }
  Element lanes[kLanes];
  store(lanes, x);
  for (int i = 0; i < count; ++i) p[i] = lanes[i];
}

/// a * b + c
inline Vec multiply_add(Vec a, Vec b, Vec c) { return a * b + c; }

inline Vec max(Vec a, Vec b) {
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_max_ps(a, b);
#elif defined(SGL_ISA_avx2)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

inline Vec min(Vec a, Vec b) {
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_min_ps(a, b);
#elif defined(SGL_ISA_avx2)
  return _mm256_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

inline float reduce_add(Vec x) {
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_reduce_add_ps(x);
#elif defined(SGL_ISA_avx2)
  const __m128 four = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
  const __m128 two = four + _mm_movehl_ps(four, four);
  return two[0] + two[1];
#else
  return (x[0] + x[2]) + (x[1] + x[3]);
#endif
}

inline float reduce_max(Vec x) {
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_reduce_max_ps(x);
#elif defined(SGL_ISA_avx2)
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return two[0] > two[1] ? two[0] : two[1];
#else
  const float a = x[0] > x[1] ? x[0] : x[1];
  const float b = x[2] > x[3] ? x[2] : x[3];
  return a > b ? a : b;
#endif
}

/// 0, 1, 2, ...
inline IntVec lane_indices() {
#if defined(SGL_ISA_avx512_bf16)
  return IntVec{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(SGL_ISA_avx2)
  return IntVec{0, 1, 2, 3, 4, 5, 6, 7};
#else
  return IntVec{0, 1, 2, 3};
#endif
}

/// 2^x to 2 units in the last place for x <= 126; exactly 0 below -126, so that -infinity counts for nothing.
inline Vec exp2(Vec x) {
  // 2^round(x) times a minimax polynomial of the rest, within +-0.5.
#if defined(SGL_ISA_avx512_bf16)
  // NOTE: min returns its second operand when one is a NaN, and the comparison holds for a NaN, so a NaN comes out as a NaN.
  const Vec clamped = _mm512_min_ps(broadcast(126.0f), x);
  const Vec whole = _mm512_roundscale_ps(clamped, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vec f = clamped - whole;
#else
  // Adding 1.5 * 2^23 leaves round(x) in the low bits.
  constexpr float kRounder = 12582912.0f;
  // NOTE: both return their second operand when one is a NaN, so a NaN comes out as a NaN.
  const Vec clamped = max(broadcast(-127.0f), min(broadcast(126.0f), x));
  const Vec shifted = clamped + kRounder;
  const Vec f = clamped - (shifted - kRounder);
#endif
  Vec p = broadcast(1.5453159e-4f);
  p = multiply_add(p, f, broadcast(1.33908633e-3f));
  p = multiply_add(p, f, broadcast(9.61808302e-3f));
  p = multiply_add(p, f, broadcast(5.55035695e-2f));
  p = multiply_add(p, f, broadcast(2.40226507e-1f));
  p = multiply_add(p, f, broadcast(6.93147182e-1f));
  p = multiply_add(p, f, broadcast(1.0f));
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, broadcast(-126.0f), _CMP_NLT_UQ), p, whole);
#else
  const Vec scaled = reinterpret_cast<Vec>(reinterpret_cast<WordVec>(p) + (reinterpret_cast<WordVec>(shifted) << 23));
  return x < -126.0f ? Vec{} : scaled;
#endif
}

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
  p = multiply_add(p * f, f, f) + 1.0f;
  // 2^n in two factors, so that both are normal numbers for every n in [-150, 128].
  const IntVec whole = __builtin_convertvector(n == n ? n : Vec{}, IntVec);
  const IntVec half = whole >> 1;
  return p * reinterpret_cast<Vec>((half + 127) << 23) * reinterpret_cast<Vec>((whole - half + 127) << 23);
}

inline Vec silu(Vec x) { return x / (1.0f + exponential(-x)); }

/// tanh(x) = 1 - 2 / (e^2x + 1).
inline Vec tanh(Vec x) { return 1.0f - 2.0f / (exp2(x * (2 * kLog2E)) + 1.0f); }

}  // namespace
}  // namespace sgl::cpu
