#pragma once

#include <cuda.h>

#include "cuda/kernels/attention/attention_params.hpp"

namespace sgl::cuda {

/// What Hopper's prefill kernel is launched with.
struct PrefillSm90Params {
  AttentionParams attention;
  /// Where `PrefillSm90Kernel::copies_pages`: the caches in copies of `page_rows` rows, a divisor of the page size, or of 64
  /// columns of them where `copies_blocks`. The `num_eight_rows`-th eight rows are outside.
  CUtensorMap keys;
  CUtensorMap values;
  int32_t page_rows;
  int32_t num_eight_rows;
  /// Whether queries come through the copy engine too, 64 columns of eight rows of `query_heads` heads at a time.
  bool copies_queries;
  int32_t query_heads;
  CUtensorMap queries;
  /// Rows of the result are aligned 16-byte pieces.
  bool out_by_eight;
};

}  // namespace sgl::cuda
