#pragma once

#include "cpu/linear/register_tile.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// A row's features of one step, each widened to f32.
template <int kFeatures>
struct WideOperand {
  float features[kFeatures];
};

/// Plain loops over a panel's columns, for the compiler to vectorise.
template <class Tile, int kRows>
inline void multiply_generic(const TileArgs& args) {
  const auto* x = static_cast<const typename Tile::Operand*>(args.x);
  float sums[kRows][kPanelWidth];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kPanelWidth; ++c) sums[r][c] = args.accumulate ? args.acc[r * kBlockWidth + c] : 0.0f;
  }
  for (int64_t step = 0; step < args.num_steps; ++step) {
    const uint32_t* words = args.panels[0] + step * kPanelWidth;
    for (int f = 0; f < Tile::kFeatures; ++f) {
      float weights[kPanelWidth];
      for (int c = 0; c < kPanelWidth; ++c) weights[c] = Tile::feature(words[c], f);
      for (int r = 0; r < kRows; ++r) {
        const float operand = x[step * kRows + r].features[f];
        for (int c = 0; c < kPanelWidth; ++c) sums[r][c] += weights[c] * operand;
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kPanelWidth; ++c) args.acc[r * kBlockWidth + c] = sums[r][c];
  }
}

struct Bf16Tile {
  using Element = uint16_t;
  using Operand = WideOperand<2>;
  static constexpr int kFeatures = 2;
  static constexpr int kMaxRows = 4;
  static constexpr int kMaxWideRows = 0;

  static Operand operand(const Element* x) { return {{bf16_to_float(x[0]), bf16_to_float(x[1])}}; }
  static float feature(uint32_t word, int f) { return bits_to_float(f == 0 ? word << 16 : word & 0xffff0000u); }

  template <int kRows, int kPanels>
  static void multiply(const TileArgs& args) {
    multiply_generic<Bf16Tile, kRows>(args);
  }
};

struct F32Tile {
  using Element = float;
  using Operand = WideOperand<1>;
  static constexpr int kFeatures = 1;
  static constexpr int kMaxRows = 4;
  static constexpr int kMaxWideRows = 0;

  static Operand operand(const Element* x) { return {{x[0]}}; }
  static float feature(uint32_t word, int) { return bits_to_float(word); }

  template <int kRows, int kPanels>
  static void multiply(const TileArgs& args) {
    multiply_generic<F32Tile, kRows>(args);
  }
};

}  // namespace
}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
