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

enum class LinearPath {
  /// Weights streamed once through tensor cores, everything fused.
  kFewRows,
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
  /// kLibrary: bias and residual are the library's own epilogue; else, like a gate, a kernel of ours over its product.
  bool has_library_epilogue = false;
  /// kLibrary: type of its product where a kernel of ours follows.
  sgl_dtype product_dtype = SGL_F32;
};

/// The most rows that a product by `kFewRows` takes.
inline constexpr int64_t kMaxFewRows = 16;

/// Pure: the same for the same arguments on any machine.
LinearConfig select_linear(const LinearDesc& desc, const DeviceInfo& device);

/// "few_rows 2x1", for logs and benchmarks.
std::string describe(const LinearConfig& config);

}  // namespace sgl::cuda
