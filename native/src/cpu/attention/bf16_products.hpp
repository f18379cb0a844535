#pragma once

#include "cpu/attention/f32_products.hpp"

#if defined(SGL_ISA_avx512_bf16)

namespace sgl::cpu {
namespace {

/// The same by vdpbf16ps, which multiplies pairs of bf16 and adds to f32. Softmax weights are rounded to bf16, and so are the
/// weights whose sum divides the result, so rounding them moves no mass.
struct Bf16Products {
  using Unit = uint32_t;
  static constexpr int kElements = 2;
  static constexpr int kMaxVectors = 4;

  static Vec product(Vec sum, uint32_t unit, Vec columns) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(unit)), (__m512bh)columns);
  }

  static void pack_query(uint32_t* row, const uint16_t* q, int head_dim) {
    for (int d = 0; d < head_dim; d += 32) _mm512_storeu_si512(row + d / 2, load_row(q + d, head_dim - d));
  }

  static Vec store_weights(uint32_t* row, int key, Vec weights) {
    uint16_t* stored = reinterpret_cast<uint16_t*>(row) + key;
    store(stored, weights);
    return load(stored);
  }

  static void pack_keys(uint32_t* packed, const uint16_t* const* keys, const uint16_t* const* next, int num_keys,
                        int head_dim) {
    for (int key = 0; key < num_keys; key += 16) {
      for (int d = 0; d < head_dim; d += 32) {
        __m512i rows[16];
        for (int j = 0; j < 16; ++j) {
          prefetch_line(next[spread(key + j)] + d);
          rows[j] = load_row(keys[key + j] + d, head_dim - d);
        }
        transpose(rows);
        const int num_units = (head_dim - d < 32 ? head_dim - d : 32) / 2;
        uint32_t* destination = packed + d / 2 * kTileKeys + key;
        for (int u = 0; u < num_units; ++u) _mm512_store_si512(destination + u * kTileKeys, rows[u]);
      }
    }
  }

  static void pack_values(uint32_t* packed, int row_units, const uint16_t* const* values, const uint16_t* const* next,
                          int num_keys, int head_dim) {
    for (int key = 0; key < num_keys; key += 2) {
      uint32_t* row = packed + key / 2 * row_units;
      for (int d = 0; d < head_dim; d += 32) {
        prefetch_line(next[spread(key)] + d);
        prefetch_line(next[spread(key + 1)] + d);
        const __m512i even = load_row(values[key] + d, head_dim - d);
        const __m512i odd = load_row(values[key + 1] + d, head_dim - d);
        const __m512i low = _mm512_unpacklo_epi16(even, odd);
        const __m512i high = _mm512_unpackhi_epi16(even, odd);
        _mm512_store_si512(row + d, first_half(low, high));
        _mm512_store_si512(row + d + 16, second_half(low, high));
      }
    }
  }

 private:
  /// 32 bf16, or as many as are left, then zeros.
  static __m512i load_row(const uint16_t* p, int count) {
    return count >= 32 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16((1u << count) - 1, p);
  }

  /// `low` and `high` hold columns 0-3, 8-11, ... and 4-7, 12-15, ...: columns 0 to 15, and 16 to 31.
  static __m512i first_half(__m512i low, __m512i high) {
    return _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high);
  }
  static __m512i second_half(__m512i low, __m512i high) {
    return _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
  }

  /// 16 x 16 words in place.
  static void transpose(__m512i* x) {
    __m512i y[16];
    for (int i = 0; i < 16; i += 2) {
      y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
      y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    // x[4i + c]: word c of each 128-bit lane, of rows 4i to 4i + 3.
    for (int i = 0; i < 16; i += 4) {
      x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
      x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
      x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
      x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int c = 0; c < 4; ++c) {
      const __m512i a = _mm512_shuffle_i32x4(x[c], x[4 + c], 0x88);       // lanes 0, 2 of rows 0-3, 4-7
      const __m512i b = _mm512_shuffle_i32x4(x[8 + c], x[12 + c], 0x88);  // lanes 0, 2 of rows 8-11, 12-15
      const __m512i d = _mm512_shuffle_i32x4(x[c], x[4 + c], 0xdd);       // lanes 1, 3
      const __m512i e = _mm512_shuffle_i32x4(x[8 + c], x[12 + c], 0xdd);
      y[c] = _mm512_shuffle_i32x4(a, b, 0x88);
      y[8 + c] = _mm512_shuffle_i32x4(a, b, 0xdd);
      y[4 + c] = _mm512_shuffle_i32x4(d, e, 0x88);
      y[12 + c] = _mm512_shuffle_i32x4(d, e, 0xdd);
    }
    for (int i = 0; i < 16; ++i) x[i] = y[i];
  }
};

}  // namespace
}  // namespace sgl::cpu

#endif
