#pragma once

#include <immintrin.h>

#include "cpu/linear/register_tile.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// A row's features of one step, each widened to f32.
template <int kFeatures>
struct WideOperand {
  float features[kFeatures];
};

/// Columns [8 * kFirst, 8 * (kFirst + kVectors)) of a panel.
template <class Tile, int kRows, int kFirst, int kVectors>
inline void multiply_columns(const TileArgs& args) {
  const auto* x = static_cast<const typename Tile::Operand*>(args.x);
  const uint32_t* panel = args.panels[0] + 8 * kFirst;
  float* acc = args.acc + 8 * kFirst;
  const char* prefetch = args.prefetch[0];

  __m256 sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = args.accumulate ? _mm256_loadu_ps(acc + r * kBlockWidth + v * 8) : _mm256_setzero_ps();
    }
  }
  for (int64_t step = 0; step < args.num_steps; ++step) {
    const uint32_t* words = panel + step * kPanelWidth;
    if (kFirst == 0) {
      _mm_prefetch(prefetch, _MM_HINT_T1);
      _mm_prefetch(prefetch + 64, _MM_HINT_T1);
      prefetch += args.prefetch_stride;
    }
#pragma GCC unroll 2
    for (int f = 0; f < Tile::kFeatures; ++f) {
      __m256 weights[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) weights[v] = Tile::feature(words + v * 8, f);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256 operand = _mm256_broadcast_ss(&x[step * kRows + r].features[f]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm256_fmadd_ps(weights[v], operand, sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm256_storeu_ps(acc + r * kBlockWidth + v * 8, sums[r][v]);
  }
}

/// 16 registers hold a whole panel of up to two rows, or half a panel of up to six.
template <class Tile, int kRows>
inline void multiply_avx2(const TileArgs& args) {
  if constexpr (kRows <= 2) {
    multiply_columns<Tile, kRows, 0, 4>(args);
  } else {
    multiply_columns<Tile, kRows, 0, 2>(args);
    multiply_columns<Tile, kRows, 2, 2>(args);
  }
}

struct Bf16Tile {
  using Element = uint16_t;
  using Operand = WideOperand<2>;
  static constexpr int kFeatures = 2;
  static constexpr int kMaxRows = 6;
  static constexpr int kMaxWideRows = 0;

  static Operand operand(const Element* x) { return {bf16_to_float(x[0]), bf16_to_float(x[1])}; }

  static __m256 feature(const uint32_t* words, int f) {
    const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
    return _mm256_castsi256_ps(f == 0 ? _mm256_slli_epi32(pairs, 16)
                                      : _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  }

  template <int kRows, int kPanels>
  static void multiply(const TileArgs& args) {
    multiply_avx2<Bf16Tile, kRows>(args);
  }
};

struct F32Tile {
  using Element = float;
  using Operand = WideOperand<1>;
  static constexpr int kFeatures = 1;
  static constexpr int kMaxRows = 6;
  static constexpr int kMaxWideRows = 0;

  static Operand operand(const Element* x) { return {x[0]}; }

  static __m256 feature(const uint32_t* words, int) { return _mm256_loadu_ps(reinterpret_cast<const float*>(words)); }

  template <int kRows, int kPanels>
  static void multiply(const TileArgs& args) {
    multiply_avx2<F32Tile, kRows>(args);
  }
};

}  // namespace
}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
