#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "abi/backend.hpp"
#include "cpu/attention/attention_kernels.hpp"
#include "cpu/scratch.hpp"

namespace sgl::cpu {

/// Keys of one split are a multiple of this; a request with fewer is not split. Shorter splits cost more than they balance:
/// with 256 keys an item of 8 heads of 64 is over in 25 us, and starting and ending it takes a quarter of that.
inline constexpr int kMinSplitKeys = 1024;

/// Query rows of one request against a range of its keys, the same for every KV head.
struct PlannedBlock {
  int32_t request;
  int32_t row_begin;  // row = query token * group + head in group
  int32_t num_rows;
  int32_t key_begin;
  int32_t key_end;
  int32_t merge;  // index into merges, or -1: this block sees all keys of its rows
  int32_t split;
};

/// A block's neighbouring KV heads that one worker takes together: rows of a page that lie side by side.
struct PlannedItem {
  int32_t block;
  int32_t first_head;
  int32_t num_heads;
};

/// A request whose keys are split. Its partial results are [num_kv_heads, num_splits, num_rows, head_dim + 2].
struct PlannedMerge {
  int32_t request;
  int32_t num_splits;
  int32_t num_rows;
  int64_t partial_offset;  // floats
};

/// How a batch's attention is cut.
///
/// A request's rows are cut into blocks of kMaxBlockRows. Where they fit one block (decode, short chunks), its keys are split
/// at multiples of a length that depends on the range of keys alone, and the parts are merged in order. So a request's result
/// depends, bit for bit, only on its own query and KV lengths: not on the rest of the batch, the pages or the threads.
struct AttentionPlan final : sgl_attention_plan {
  AttentionPlan(const sgl_attention_desc& desc, int num_threads);

  void update(const sgl_attention_batch& batch);

  int group() const { return desc.num_q_heads / desc.num_kv_heads; }

  std::vector<int32_t> query_start;
  std::vector<int32_t> kv_length;
  std::vector<int32_t> page_start;
  std::vector<int32_t> pages;

  std::vector<PlannedBlock> blocks;  // costliest first
  std::vector<PlannedMerge> merges;
  std::vector<PlannedItem> items;  // of all blocks, in their order
  int64_t num_products = 0;        // row times key, over all blocks, for one KV head

  PageBuffer scratch;  // BlockScratch per worker
  PageBuffer partials;
  int64_t partial_capacity = 0;  // floats
  /// Splits that are not done yet, [merges, num_kv_heads]; whoever finishes the last one merges.
  std::unique_ptr<std::atomic<int32_t>[]> pending;
  int64_t pending_capacity = 0;
  const int num_threads;

 private:
  void copy_batch(const sgl_attention_batch& batch);
  void cut_request(int request);
  void share_out();
  int heads_together(const PlannedBlock& block) const;
  void reserve_partials(int64_t num_floats);
  void reserve_pending(int64_t count);
};

}  // namespace sgl::cpu
