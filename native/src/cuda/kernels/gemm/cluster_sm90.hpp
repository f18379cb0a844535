#pragma once

#include <cuda.h>

#include "cuda/kernels/gemm/epilogue.cuh"
#include "cuda/kernels/gemm/linear_config.hpp"

namespace sgl::cuda {

class CudaContext;

struct ClusterSm90Params {
  CUtensorMap weight;  // [out_features, in_features], boxes of a block's weight rows; with a gate, halves by turns
  CUtensorMap x;       // [num_rows, in_features], boxes of all rows, in eights
  int32_t x_bytes;     // of a box
  int32_t num_rows;
  int32_t width;      // columns of y
  int32_t depth;      // stages of a tile
  int32_t num_tiles;  // of y
  int32_t parts;      // of a tile along in_features, each a block's of the cluster; at most depth
  bool is_vectored;   // y and residual can be accessed 16 bytes at a time
  Epilogue epilogue;
};

/// A kernel and what its launch needs.
struct ClusterSm90Kernel {
  void (*launch)(ClusterSm90Params);
  int num_threads;
  int shared_bytes;
};

/// The kernel of `cluster_sm90_shape(kRows, is_gated)`. Defined in inst/.
template <int kRows>
ClusterSm90Kernel cluster_sm90_kernel_of(bool is_gated);

/// Queues the product in tiles of `config.tile_rows` rows by `config.num_blocks` blocks in clusters of `config.parts`.
void cluster_sm90(CudaContext& context, const sgl_linear_args& args, const LinearConfig& config, const Epilogue& epilogue);

}  // namespace sgl::cuda
