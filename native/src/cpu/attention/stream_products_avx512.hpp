#pragma once

#include "cpu/isa/simd.hpp"

#if defined(SGL_ISA_avx512_bf16)

#include "cpu/attention/stream_walk.hpp"

// What a streamed block does with lines of K and V, for each storage type.

namespace sgl::cpu {
namespace {

inline constexpr int kLaneRows = 4;

/// Units of 4 bytes: a pair of bf16, or a float.
struct Bf16Stream {
  using Storage = uint16_t;
  static constexpr int kLineVectors = 2;   // sums that a line of V adds to
  static constexpr int kMaxLines = 2;      // lines of a row of V at a time: 16 accumulators
  static constexpr int kWeightBytes = 32;  // of 4 rows x 4 keys

  static __m512 product(__m512 sum, __m512i a, __m512i b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

  /// 2^x for x <= 0 to 1 part in 13,000, a hundredth of what rounding to bf16 loses; exactly 0 below -126; a NaN stays one.
  static __m512 exp2(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = x - whole;
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(5.51716672e-2f), f, _mm512_set1_ps(2.42611122e-1f));  // minimax within +-0.5
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.93260986e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.99928074e-1f));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_NLT_UQ), p, whole);
  }

  /// Returns the weights as stored, so that the sum that divides the result is theirs. None is subnormal, which the conversion
  /// would take for zero.
  static __m512 store_weights(char* weights, __m512 x) {
    const __m256i half = (__m256i)_mm512_cvtneps_pbh(x);
    _mm256_store_si256(reinterpret_cast<__m256i*>(weights), half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }

  /// Adds eight keys. Leaves each 32 columns in the order in which the interleaved pairs of values come.
  template <int kLines, class Rows, class Prefetcher>
  static inline void add_values(__m512 (&sums)[kLaneRows][kMaxLines * kLineVectors], const char* weights, const Rows& rows,
                                int column, uint32_t mask, const Prefetcher& ahead, int step) {
#pragma GCC unroll 4
    for (int pair = 0; pair < kOctet / 2; ++pair) {
      const auto* pair_weights = reinterpret_cast<const int*>(weights + pair / 2 * kWeightBytes) + pair % 2;
      __m512i weight[kLaneRows];
      for (int r = 0; r < kLaneRows; ++r) weight[r] = _mm512_set1_epi32(pair_weights[2 * r]);
      for (int line = 0; line < kLines; ++line) {
        ahead.line(step, pair, column / 32 + line);
        const __m512i even = load_line(rows[2 * pair] + column + line * 32, mask);
        const __m512i odd = load_line(rows[2 * pair + 1] + column + line * 32, mask);
        const __m512i low = _mm512_unpacklo_epi16(even, odd);
        const __m512i high = _mm512_unpackhi_epi16(even, odd);
        for (int r = 0; r < kLaneRows; ++r) {
          sums[r][2 * line] = product(sums[r][2 * line], weight[r], low);
          sums[r][2 * line + 1] = product(sums[r][2 * line + 1], weight[r], high);
        }
      }
    }
  }

  static uint32_t mask_of(int num_columns) { return num_columns >= 32 ? ~0u : (1u << num_columns) - 1; }

  static void order_columns(float* row, int head_dim) {
    for (int d = 0; d < head_dim; d += 32) {
      const __m512i low = _mm512_load_si512(row + d);
      const __m512i high = _mm512_load_si512(row + d + 16);
      _mm512_store_si512(row + d, _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high));
      _mm512_store_si512(row + d + 16, _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high));
    }
  }

 private:
  static __m512i load_line(const uint16_t* p, uint32_t mask) {
    return mask == ~0u ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16(mask, p);
  }
};

struct F32Stream {
  using Storage = float;
  static constexpr int kLineVectors = 1;
  static constexpr int kMaxLines = 4;
  static constexpr int kWeightBytes = 64;

  static __m512 product(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }

  static __m512 exp2(__m512 x) { return cpu::exp2(x); }

  static __m512 store_weights(char* weights, __m512 x) {
    _mm512_store_ps(weights, x);
    return x;
  }

  template <int kLines, class Rows, class Prefetcher>
  static inline void add_values(__m512 (&sums)[kLaneRows][kMaxLines * kLineVectors], const char* weights, const Rows& rows,
                                int column, uint32_t mask, const Prefetcher& ahead, int step) {
#pragma GCC unroll 8
    for (int key = 0; key < kOctet; ++key) {
      const float* key_weights = reinterpret_cast<const float*>(weights + key / 4 * kWeightBytes) + key % 4;
      __m512 weight[kLaneRows];
      for (int r = 0; r < kLaneRows; ++r) weight[r] = _mm512_set1_ps(key_weights[4 * r]);
      for (int line = 0; line < kLines; ++line) {
        if (key % 2 == 0) ahead.line(step, key / 2, column / 16 + line);
        const float* p = rows[key] + column + line * 16;
        const __m512 value = mask == ~0u ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
        for (int r = 0; r < kLaneRows; ++r) sums[r][line] = _mm512_fmadd_ps(weight[r], value, sums[r][line]);
      }
    }
  }

  static uint32_t mask_of(int num_columns) { return num_columns >= 16 ? ~0u : (1u << num_columns) - 1; }

  static void order_columns(float*, int) {}
};

template <class Storage>
struct LaneStreamOf;
template <>
struct LaneStreamOf<uint16_t> {
  using Type = Bf16Stream;
};
template <>
struct LaneStreamOf<float> {
  using Type = F32Stream;
};
template <class Storage>
using LaneStream = typename LaneStreamOf<Storage>::Type;

}  // namespace
}  // namespace sgl::cpu

#endif
