#pragma once

#include <cuda.h>

#include "cuda/kernels/attention/attention_params.hpp"

namespace sgl::cuda {

/// Keys of a tile of Hopper's decode kernel; pages hold whole tiles.
inline constexpr int kDecodeTileKeys = 16;

/// What Hopper's decode kernel is launched with.
struct DecodeSm90Params {
  AttentionParams attention;
  /// The caches as eight rows after eight rows of 64 columns after 64 columns, in copies of kDecodeTileKeys rows.
  CUtensorMap keys;
  CUtensorMap values;
};

}  // namespace sgl::cuda
