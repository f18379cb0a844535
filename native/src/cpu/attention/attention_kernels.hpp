#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"
#include "sgl/base.h"

namespace sgl::cpu {

/// Most query rows of one block: their accumulators and queries stay in the second-level cache (head_dim 128: 90 KiB).
inline constexpr int kMaxBlockRows = 120;
/// Keys scored at once: K and V of a tile stay in the first-level cache (bf16, head_dim 128: 32 KiB).
inline constexpr int kTileKeys = 64;
/// Rows of a register tile of the packed kernel; divides kMaxBlockRows.
inline constexpr int kTileRows = 6;
/// Blocks with fewer rows stream K and V row by row; for more, repacking each tile pays.
inline constexpr int kMinPackedRows = 16;
inline constexpr int kMaxHeadDim = 256;
/// Most groups of four rows, over all its heads, of a block that streams.
inline constexpr int kMaxStreamGroups = 16;
/// Most ranges that a request's keys are split into.
inline constexpr int kMaxSplits = 16;

static_assert(kMaxBlockRows % kTileRows == 0);

/// One worker's memory. Rows are head_dim rounded up to 32 long, so a small head_dim uses only the front of each array.
struct alignas(64) BlockScratch {
  float queries[kMaxBlockRows * kMaxHeadDim];
  float keys[kTileKeys * kMaxHeadDim];
  float values[kTileKeys * kMaxHeadDim];
  float sums[kMaxBlockRows * kMaxHeadDim];
  float scores[kTileRows * kTileKeys];
  float weights[kTileRows * kTileKeys];
  float row_max[kMaxBlockRows];
  float row_sum[kMaxBlockRows];
  float row_shrink[kTileRows];
  alignas(64) float lane_max[kMaxStreamGroups * 16];  // four copies a row
  alignas(64) float lane_sum[kMaxStreamGroups * 16];  // four parts a row
  float zeros[kMaxHeadDim];
};

/// Some rows of one request's queries against a range of its keys, for some neighbouring KV heads. Row r is query token
/// r / group of the request and head r % group of a KV head. Pointers are the first KV head's.
struct AttentionBlock {
  int32_t row_begin;
  int32_t num_rows;   // of each KV head; at most kMaxBlockRows
  int32_t num_heads;  // KV heads; 1 for kMinPackedRows rows and more
  int32_t group;      // query heads of a KV head
  int32_t head_dim;
  const void* q;  // first token of the request, first head of the group
  int64_t q_token_stride;
  int64_t q_head_stride;
  void* out;
  int64_t out_token_stride;
  int64_t out_head_stride;
  const void* k_cache;  // page 0 of the KV head: rows of head_dim, dense
  const void* v_cache;
  int64_t page_stride;  // elements
  int64_t kv_head_stride;
  const int32_t* pages;  // of the request
  int32_t page_size;
  int32_t first_position;  // of the request's first query token
  int32_t key_begin;
  int32_t key_end;  // at most the position of the last row's token, plus one
  int32_t window;   // 0 means all
  float scale;
  float soft_cap;
  const float* sinks;  // [group] or null
  float* partial;      // null, or [num_rows, head_dim + 2]: unnormalised sums, maximum (base 2), sum of weights; instead of out
  int64_t partial_head_stride;  // floats
  BlockScratch* scratch;
  /// Null, or says which block its worker will be given next, so that its first keys can be on their way; false if none.
  bool (*follow)(void* follower, AttentionBlock& following);
  void* follower;
};

/// The rows of one block, whose keys were attended to in `num_splits` ranges.
struct AttentionMerge {
  const float* partials;  // [num_splits, num_rows, head_dim + 2]
  int32_t num_splits;
  int32_t num_rows;  // from row 0 of the request
  int32_t group;
  int32_t head_dim;
  void* out;
  int64_t out_token_stride;
  int64_t out_head_stride;
  const float* sinks;
};

/// Kernels of one storage type.
struct AttentionKernels {
  void (*attend)(const AttentionBlock& block);
  void (*merge)(const AttentionMerge& merge);
};

SGL_DECLARE_KERNELS(AttentionKernels, kAttentionF32)
SGL_DECLARE_KERNELS(AttentionKernels, kAttentionBf16)

}  // namespace sgl::cpu
