#pragma once

#include <cuda.h>

#include "cuda/kernels/gemm/epilogue.cuh"
#include "cuda/kernels/gemm/linear_config.hpp"

namespace sgl::cuda {

class CudaContext;

struct StreamSm90Params {
  CUtensorMap weight;  // [out_features, in_features], boxes of 64 rows; with a gate its first half makes the gate
  CUtensorMap x;       // [num_rows, in_features], boxes of as many rows as a block takes
  float* partials;     // [num_workers, 2, weight rows * rows of a tile]: of the tile that a worker ends, and the one it begins
  int32_t* num_done;   // [num_workers] parts of the tile that begins with a worker, 0 between launches
  int32_t num_rows;
  int32_t width;      // columns of y
  int32_t depth;      // stages of a tile
  int32_t num_tiles;  // of y
  Epilogue epilogue;
};

/// A kernel and what its launch needs.
struct StreamSm90Kernel {
  void (*launch)(StreamSm90Params);
  int num_threads;
  int shared_bytes;
  int partial_floats;
};

/// The kernel of `stream_sm90_shape(kRows, is_gated)`. Defined in inst/.
template <int kRows>
StreamSm90Kernel stream_sm90_kernel_of(bool is_gated);

/// Queues the product in tiles of `config.stream_rows` rows by `config.num_workers` blocks.
void stream_sm90(CudaContext& context, const sgl_linear_args& args, const LinearConfig& config, const Epilogue& epilogue);

}  // namespace sgl::cuda
