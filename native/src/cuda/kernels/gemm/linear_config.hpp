#pragma once

#include <cstdint>
#include <string>

#include "cuda/runtime/device_info.hpp"
#include "sgl/gemm.h"

namespace sgl::cuda {

/// What a product's kernel is chosen by.
struct LinearDesc {
  int64_t num_rows;
  int64_t out_features;
  int64_t in_features;
  sgl_dtype dtype;    // of x, weight and bias
  sgl_dtype y_dtype;  // dtype or f32
  bool is_gated;
  bool has_bias;
  bool has_residual;
  sgl_dtype residual_dtype;
  /// Rows of x and of the weight start at multiples of 16 bytes and hold whole 16-byte accesses.
  bool is_aligned;
};

/// Tiles of the product by `LinearPath::kStreamSm90`, see stream_sm90.cuh.
struct StreamSm90Shape {
  int rows;         // of x
  int warpgroups;   // that multiply
  int blocks;       // of 64 weight rows, per warpgroup
  int depth_tiles;  // of 64 along in_features, in a stage
  bool is_gated;    // half of the weight rows are the gate's

  constexpr int weight_rows() const { return 64 * warpgroups * blocks; }
  /// Of y.
  constexpr int columns() const { return is_gated ? weight_rows() / 2 : weight_rows(); }
  /// Along in_features.
  constexpr int depth() const { return 64 * depth_tiles; }
};

/// The shape for up to `rows` rows: 16, 32, 64 or 128. Wide tiles where x is large beside them, else deep ones, which read
/// longer stretches of a weight row.
constexpr StreamSm90Shape stream_sm90_shape(int rows, bool is_gated) {
  if (rows == 128) return {rows, 2, is_gated ? 2 : 1, 1, is_gated};
  return is_gated ? StreamSm90Shape{rows, 1, 2, 2, true} : StreamSm90Shape{rows, 2, 1, 2, false};
}

enum class LinearPath {
  /// Weights streamed once through tensor cores, everything fused.
  kFewRows,
  /// Weights streamed once by Hopper's copy engine into its tensor cores, everything fused.
  kStreamSm90,
  /// Any type, alignment and shape; a warp an output.
  kGeneric,
  /// cuBLASLt.
  kLibrary
};

struct LinearConfig {
  LinearPath path;
  /// kFewRows: tiles of 16 weight rows and of 8 activation rows that a block multiplies.
  int weight_tiles = 0;
  int row_tiles = 0;
  /// kStreamSm90: rows of a tile, and blocks that share out the product.
  int stream_rows = 0;
  int num_workers = 0;
  /// kLibrary: bias and residual are the library's own epilogue; else, like a gate, a kernel of ours over its product.
  bool has_library_epilogue = false;
  /// kLibrary: type of its product where a kernel of ours follows.
  sgl_dtype product_dtype = SGL_F32;
};

/// The most rows that a product by `kFewRows` takes.
inline constexpr int64_t kMaxFewRows = 16;

/// Blocks that share out a product by `kStreamSm90`: no more than so that tiles, or equal parts of a tile, come out even, since
/// a tile that is cut unevenly has more parts.
int stream_workers(const StreamSm90Shape& shape, const LinearDesc& desc, const DeviceInfo& device);

/// Pure: the same for the same arguments on any machine.
LinearConfig select_linear(const LinearDesc& desc, const DeviceInfo& device);

/// "few_rows 2x1", for logs and benchmarks.
std::string describe(const LinearConfig& config);

}  // namespace sgl::cuda
