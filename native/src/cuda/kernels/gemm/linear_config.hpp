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

/// Tiles of the product by `LinearPath::kClusterSm90`, see cluster_sm90.cuh.
struct ClusterSm90Shape {
  static constexpr int kWeightRows = 128;

  int rows;         // of x
  int depth_tiles;  // of 64 along in_features, in a stage
  bool is_gated;    // half of the weight rows are the gate's

  /// Of y.
  constexpr int columns() const { return is_gated ? kWeightRows / 2 : kWeightRows; }
  /// Along in_features.
  constexpr int depth() const { return 64 * depth_tiles; }
};

/// The shape for up to `rows` rows: 16, 32, 64, 128 or 256. Deep stages, which read longer stretches of a weight row, where x
/// is small beside the weight.
constexpr ClusterSm90Shape cluster_sm90_shape(int rows, bool is_gated) { return {rows, rows <= 64 ? 2 : 1, is_gated}; }

enum class LinearPath {
  /// Weights streamed once through tensor cores, everything fused.
  kFewRows,
  /// Weights streamed once by Hopper's copy engine into its tensor cores, everything fused.
  kClusterSm90,
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
  /// kClusterSm90: rows of a tile, parts of a tile (blocks of a cluster), and blocks in all.
  int tile_rows = 0;
  int parts = 0;
  int num_blocks = 0;
  /// kLibrary: bias and residual are the library's own epilogue; else, like a gate, a kernel of ours over its product.
  bool has_library_epilogue = false;
  /// kLibrary: type of its product where a kernel of ours follows.
  sgl_dtype product_dtype = SGL_F32;
};

/// The most rows that a product by `kFewRows` takes.
inline constexpr int64_t kMaxFewRows = 16;

/// `kClusterSm90` with tiles of `tile_rows` rows; parts as `select_linear` would choose them.
LinearConfig cluster_config(const LinearDesc& desc, const DeviceInfo& device, int tile_rows);

/// Pure: the same for the same arguments on any machine.
LinearConfig select_linear(const LinearDesc& desc, const DeviceInfo& device);

/// "few_rows 2x1", for logs and benchmarks.
std::string describe(const LinearConfig& config);

}  // namespace sgl::cuda
