#pragma once

// What a register tile of each instruction set defines, for `panel_kernels.isa.cc`:
//
//   struct Bf16Tile, F32Tile {
//     using Element;                  activations in memory
//     using Operand;                  activations packed: one row's features of one step
//     static constexpr int kFeatures; input features of a step
//     static Operand operand(const Element* features);
//     static constexpr int kMaxRows;      largest tile over one panel
//     static constexpr int kMaxWideRows;  largest tile over two panels; 0 for none
//     template <int kRows, int kPanels> static void multiply(const TileArgs& args);
//   };

#include "cpu/isa/float_conversion.hpp"
#include "cpu/linear/panel_kernels.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// acc (+)= x * panels^T for one tile and a range of steps.
struct TileArgs {
  float* acc;                 // [rows, kBlockWidth]; the tile's first column
  bool accumulate;            // add to acc
  const void* x;              // [num_steps, rows] operands
  const uint32_t* panels[2];  // each [num_steps, kPanelWidth]
  int64_t num_steps;
  // At every step a tile may fetch two lines for each of its panels from here on, `prefetch_stride` bytes further each time.
  const char* prefetch[2];
  int64_t prefetch_stride;
  // The same for what is wanted later still, so that each line is asked for twice: a core drops requests that it has no room
  // for.
  const char* far[2];
};

}  // namespace
}  // namespace sgl::cpu::SGL_ISA_NAMESPACE

#if defined(SGL_ISA_avx512_bf16)
#include "cpu/linear/register_tile_avx512.hpp"
#elif defined(SGL_ISA_avx2)
#include "cpu/linear/register_tile_avx2.hpp"
#else
#include "cpu/linear/register_tile_generic.hpp"
#endif
