#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa/dispatch.hpp"
#include "sgl/base.h"

namespace sgl::cpu {

/// Output features side by side in a panel of a packed weight.
inline constexpr int kPanelWidth = 32;

/// Columns of the accumulator block that one product makes: two panels.
inline constexpr int kBlockWidth = 2 * kPanelWidth;

// Functions of this header are also compiled for each instruction set, so they must never be merged by the linker.
#define SGL_ALWAYS_INLINE __attribute__((always_inline)) inline

/// How rows are cut into tiles: as few as possible, sizes differing by at most one.
struct RowTiles {
  SGL_ALWAYS_INLINE RowTiles(int64_t num_rows, int64_t max_tile_rows)
      : count((num_rows + max_tile_rows - 1) / max_tile_rows),
        base(count == 0 ? 0 : num_rows / count),
        num_larger(count == 0 ? 0 : num_rows % count) {}

  SGL_ALWAYS_INLINE int64_t begin(int64_t tile) const { return tile * base + (tile < num_larger ? tile : num_larger); }
  SGL_ALWAYS_INLINE int64_t rows(int64_t tile) const { return base + (tile < num_larger ? 1 : 0); }

  int64_t count;
  int64_t base;
  int64_t num_larger;
};

/// Activation rows to pack: row i is x[row_index ? row_index[i] : i].
struct RowSource {
  const void* x;             // [*, in_features], of the weight's type
  int64_t stride;            // elements
  const int32_t* row_index;  // or null
  int64_t in_features;
};

/// One block of accumulators on its way to y. Every pointer already stands at the block's first row and column.
struct StoreArgs {
  const float* acc;  // [num_rows, num_columns], row stride acc_stride
  const float* up;   // null, or like acc: then y = silu(acc) * up
  int64_t acc_stride;
  void* y;  // [num_rows, num_columns], f32 or bf16
  int64_t y_stride;
  sgl_dtype y_dtype;
  const void* bias;     // [num_columns], or null
  const void* up_bias;  // [num_columns], or null
  sgl_dtype bias_dtype;
  const void* residual;  // [num_rows, num_columns], or null; may be y
  int64_t residual_stride;
  sgl_dtype residual_dtype;
  int64_t num_rows;
  int64_t num_columns;
};

/// The inner loops for one instruction set and weight type.
///
/// Every accumulator is one chain over the input features in rising order, whatever the number of rows. So a row's result does
/// not depend, bit for bit, on which other rows share its batch, nor on the number of threads.
struct PanelKernels {
  /// Rows of the largest register tile, and of the largest one over two panels at once, 0 if there is none.
  int max_tile_rows;
  int max_wide_tile_rows;
  /// Bytes that one row's features of one step take in packed activations.
  int operand_bytes;

  /// How a product of `num_rows` is tiled. Few rows are bound by memory, and two panels at once are two streams to fetch from.
  RowTiles tiles(int64_t num_rows) const {
    return RowTiles(num_rows, num_rows <= max_wide_tile_rows ? max_wide_tile_rows : max_tile_rows);
  }

  /// Packs tiles [first_tile, last_tile). A tile of R rows is [step][R] operands and begins at operand begin * num_steps.
  void (*pack_rows)(std::byte* packed, const RowSource& source, const RowTiles& tiles, int64_t first_tile, int64_t last_tile);

  /// acc [rows, kBlockWidth] = packed rows * panel^T, for one or two panels of kPanelWidth columns.
  void (*product)(float* acc, const std::byte* packed, const RowTiles& tiles, int64_t num_steps,
                  const uint32_t* const panels[2], int num_panels);

  /// Bias, silu(gate) * up, residual and rounding.
  void (*store)(const StoreArgs& args);
};

SGL_DECLARE_KERNELS(PanelKernels, kBf16PanelKernels)
SGL_DECLARE_KERNELS(PanelKernels, kF32PanelKernels)

inline const PanelKernels& panel_kernels(Isa isa, sgl_dtype weight_dtype) {
  return weight_dtype == SGL_BF16 ? SGL_SELECT_KERNELS(isa, kBf16PanelKernels) : SGL_SELECT_KERNELS(isa, kF32PanelKernels);
}

}  // namespace sgl::cpu
