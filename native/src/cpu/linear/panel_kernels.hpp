#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa/isa.hpp"
#include "sgl/base.h"

namespace sgl::cpu {

/// Columns of the accumulator block that one product makes: two panels.
inline constexpr int kBlockWidth = 64;

/// How `num_rows` activation rows are cut into register tiles: as few as possible, sizes differing by at most one.
struct RowTiles {
  RowTiles(int64_t num_rows, int max_tile_rows)
      : count((num_rows + max_tile_rows - 1) / max_tile_rows),
        base(count == 0 ? 0 : num_rows / count),
        num_larger(count == 0 ? 0 : num_rows % count) {}

  int64_t begin(int64_t tile) const { return tile * base + (tile < num_larger ? tile : num_larger); }
  int rows(int64_t tile) const { return static_cast<int>(base + (tile < num_larger ? 1 : 0)); }

  int64_t count;
  int64_t base;
  int64_t num_larger;
};

/// Activation rows to pack: row i is x[row_index ? row_index[i] : i].
struct RowSource {
  const void* x;             // [*, in_features], bf16 or f32 as the weight
  int64_t stride;            // elements
  const int32_t* row_index;  // or null
  int64_t in_features;
};

/// One block of accumulators on its way to y. Pointers already stand at the block's first row and column.
struct StoreArgs {
  const float* acc;  // [num_rows, num_columns], row stride acc_stride
  const float* up;   // null, or the same shape: then y = silu(acc) * up
  int64_t acc_stride;
  void* y;  // [num_rows, num_columns]
  int64_t y_stride;
  sgl_dtype y_dtype;
  const void* bias;     // [num_columns] or null
  const void* up_bias;  // [num_columns] or null
  sgl_dtype bias_dtype;
  const void* residual;  // [num_rows, num_columns] or null; may be y
  int64_t residual_stride;
  sgl_dtype residual_dtype;
  int64_t num_rows;
  int64_t num_columns;
};

/// The inner loops of one instruction set and weight type.
///
/// Every accumulator is one chain over the input features in rising order, whatever the number of rows, so a row's result
/// does not depend, bit for bit, on which other rows share its batch.
struct PanelKernels {
  /// Rows of the largest register tile.
  int max_tile_rows;
  /// Bytes of one row's operand of one step in packed activations.
  int operand_bytes;

  /// Packs tile after tile; a tile of R rows is [step][R] operands and begins at operand (first row * num_steps).
  void (*pack_rows)(std::byte* packed, const RowSource& source, int64_t first_tile, int64_t last_tile, const RowTiles& tiles);

  /// acc [tiles' rows, kBlockWidth] = rows * panel^T for each of `num_panels` (1 or 2) panels, each kPanelWidth columns.
  void (*product)(float* acc, const std::byte* packed, const RowTiles& tiles, int64_t num_steps, const uint32_t* const* panels,
                  int num_panels);

  void (*store)(const StoreArgs& args);
};

/// The kernels for weights of `dtype` (bf16 or f32) on `isa`.
const PanelKernels& panel_kernels(Isa isa, sgl_dtype dtype);

namespace generic {
extern const PanelKernels kBf16Kernels;
extern const PanelKernels kF32Kernels;
}  // namespace generic
namespace avx2 {
extern const PanelKernels kBf16Kernels;
extern const PanelKernels kF32Kernels;
}  // namespace avx2
namespace avx512_bf16 {
extern const PanelKernels kBf16Kernels;
extern const PanelKernels kF32Kernels;
}  // namespace avx512_bf16

}  // namespace sgl::cpu
