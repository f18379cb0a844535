#pragma once

#include <cstdint>

// What the host tells the attention kernels. `AttentionParams` is an argument of the launch and so fixed in a captured graph;
// what differs between steps of one shape stands in device memory behind `StepHeader`, which keeps its address.

namespace sgl::cuda {

/// Keys by which the work of decode is divided.
inline constexpr int kUnitKeys = 64;
/// Query rows (query token * group + head in group) of a KV head that decode takes as one tile.
inline constexpr int kDecodeRows = 16;

/// A request with at most kDecodeRows query rows per KV head. Its items are its KV heads, each `num_units` units of keys from
/// `key_begin` on, and items of all requests follow each other in one sequence of units.
struct DecodeRequest {
  int32_t first_unit;  // of its first item in the sequence
  int32_t num_units;   // of one item
  int32_t first_token;
  int32_t num_tokens;
  int32_t kv_length;
  int32_t page_start;
  int32_t key_begin;
  int32_t reserved;
};

/// A stretch of the sequence of units; all that a block must read before it can fetch keys.
struct DecodeStretch {
  DecodeRequest request;  // that of unit `unit_begin`
  int32_t request_index;
  int32_t unit_begin;
  int32_t unit_end;
  /// The stretch that holds the begin of the item which this one continues, and how many stretches share that item.
  int32_t head_first;
  int32_t head_parts;
  /// How many stretches share the item that begins in this one and goes on after it.
  int32_t tail_parts;
  int32_t reserved[2];
};

/// A tile of query rows of another request against a range of keys, for every KV head.
struct PrefillTile {
  int32_t first_token;
  int32_t num_tokens;
  int32_t kv_length;
  int32_t page_start;
  int32_t row_begin;
  int32_t num_rows;
  int32_t key_begin;
  int32_t key_end;
  /// Place of its first partial result among all, for KV head 0; head h's are num_splits further on each.
  int32_t first_partial;
  int32_t split;
  int32_t num_splits;  // 1: the tile sees all keys of its rows
  int32_t merge;       // counts the tiles that are split
};

struct StepHeader {
  const DecodeRequest* decode_requests;
  const PrefillTile* prefill_tiles;  // request by request, costliest first
  const int32_t* query_start;        // [num_requests + 1]
  const int32_t* kv_length;          // [num_requests]
  const int32_t* page_start;         // [num_requests]
  const int32_t* pages;
  int32_t num_requests;
  int32_t num_stretches;
  int32_t num_prefill_tiles;
};

struct AttentionParams {
  const void* q;        // [num_tokens, num_q_heads, head_dim]
  void* out;            // [num_tokens, num_q_heads, head_dim]
  const void* k_cache;  // [num_pages, num_kv_heads, page_size, head_dim]
  const void* v_cache;
  const float* sinks;  // [num_q_heads] or null
  const StepHeader* step;
  const DecodeStretch* stretches;  // [num_workers], apart from the header so that one access leads to a block's first keys
  /// Decode [num_workers, 2, kDecodeRows, kDim + 2], prefill [partials, kRows, kDim + 2]: rows of unnormalised sums, then
  /// each row's maximum and sum.
  float* partials;
  /// Parts of a split item that are done, 0 between launches. Decode [num_workers], prefill [merges, num_kv_heads].
  int32_t* num_done;
  /// Prefill: how many tiles have been taken and how many blocks found none, 0 between launches.
  int32_t* tickets;
  int64_t q_stride[2];
  int64_t out_stride[2];
  int32_t num_kv_heads;
  int32_t group;
  int32_t head_dim;
  int32_t page_size;
  int32_t window;
  float scale;
  float soft_cap;
  float log2_scale;  // scale * log2(e)
  float cap_scale;   // 2 * log2(e) * scale / soft_cap
  /// Two neighbouring elements of q, and of out, are one aligned access.
  bool q_by_two;
  bool out_by_two;
};

}  // namespace sgl::cuda
