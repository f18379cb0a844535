#include "cpu/attention/attention_plan.hpp"

#include <algorithm>

namespace sgl::cpu {

namespace {

/// Pieces of K and V that are read in a row at random places. Eight at a time, with nothing to compute and each line asked for
/// 16 lines ahead, pieces of 8 KiB reach 95 % of what memory read in order does, of 16 KiB 99 %; longer ones are fewer to
/// begin.
constexpr int64_t kPieceBytes = 32768;
/// Fewer would leave threads idle while the last item ends.
constexpr int64_t kItemsPerThread = 2;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

AttentionPlan::AttentionPlan(const sgl_attention_desc& description, int threads)
    : scratch(sizeof(BlockScratch) * static_cast<size_t>(threads)), num_threads(threads) {
  desc = description;
  const auto max_requests = static_cast<size_t>(desc.max_requests);
  query_start.reserve(max_requests + 1);
  kv_length.reserve(max_requests);
  page_start.reserve(max_requests);
  merges.reserve(max_requests);
  blocks.reserve(max_requests * kMaxSplits +
                 static_cast<size_t>(divide_up(static_cast<int64_t>(desc.max_tokens) * group(), kMaxBlockRows)));
  items.reserve(blocks.capacity() * static_cast<size_t>(desc.num_kv_heads));
  // Pages that no step touches stay unmapped.
  reserve_partials(static_cast<int64_t>(desc.max_requests) * (kMaxSplits + 1) * desc.num_q_heads * (desc.head_dim + 2));
  reserve_pending(static_cast<int64_t>(desc.max_requests) * desc.num_kv_heads);
}

void AttentionPlan::update(const sgl_attention_batch& batch) {
  copy_batch(batch);
  blocks.clear();
  merges.clear();
  num_products = 0;
  for (int r = 0; r < batch.num_requests; ++r) cut_request(r);
  const auto cost = [](const PlannedBlock& block) {
    return static_cast<int64_t>(block.num_rows) * (block.key_end - block.key_begin);
  };
  for (const PlannedBlock& block : blocks) num_products += cost(block);
  std::sort(blocks.begin(), blocks.end(), [&](const auto& a, const auto& b) { return cost(a) > cost(b); });
  share_out();

  int64_t num_floats = 0;
  for (PlannedMerge& merge : merges) {
    merge.partial_offset = num_floats;
    num_floats += static_cast<int64_t>(desc.num_kv_heads) * merge.num_splits * merge.num_rows * (desc.head_dim + 2);
  }
  reserve_partials(num_floats);
  reserve_pending(static_cast<int64_t>(merges.size()) * desc.num_kv_heads);
  for (size_t m = 0; m < merges.size(); ++m) {
    for (int head = 0; head < desc.num_kv_heads; ++head) {
      pending[m * static_cast<size_t>(desc.num_kv_heads) + static_cast<size_t>(head)].store(merges[m].num_splits,
                                                                                            std::memory_order_relaxed);
    }
  }
}

void AttentionPlan::copy_batch(const sgl_attention_batch& batch) {
  const int n = batch.num_requests;
  query_start.clear();
  if (n > 0) query_start.assign(batch.query_start, batch.query_start + n + 1);
  kv_length.assign(batch.kv_length, batch.kv_length + n);
  page_start.assign(batch.page_start, batch.page_start + n);
  int64_t num_pages = 0;
  for (int r = 0; r < n; ++r) {
    num_pages = std::max(num_pages, page_start[r] + divide_up(kv_length[r], desc.page_size));
  }
  pages.assign(batch.pages, batch.pages + num_pages);
}

void AttentionPlan::cut_request(int request) {
  const int num_tokens = query_start[request + 1] - query_start[request];
  const int64_t num_rows = static_cast<int64_t>(num_tokens) * group();
  const int first_position = kv_length[request] - num_tokens;
  for (int64_t row = 0; row < num_rows; row += kMaxBlockRows) {
    const auto rows = static_cast<int32_t>(std::min<int64_t>(kMaxBlockRows, num_rows - row));
    const auto first = first_position + static_cast<int>(row / group());
    const auto last = first_position + static_cast<int>((row + rows - 1) / group());
    const int key_begin = desc.window > 0 ? std::max(0, first + 1 - desc.window) : 0;
    const int key_end = last + 1;
    PlannedBlock block{request, static_cast<int32_t>(row), rows, key_begin, key_end, -1, 0};
    const int64_t split_keys = kMinSplitKeys * divide_up(key_end - key_begin, int64_t{kMinSplitKeys} * kMaxSplits);
    const int64_t first_split = key_begin / split_keys;
    const int64_t num_splits = divide_up(key_end, split_keys) - first_split;
    if (num_rows > kMaxBlockRows || num_splits == 1) {
      blocks.push_back(block);
      continue;
    }
    block.merge = static_cast<int32_t>(merges.size());
    for (int64_t s = 0; s < num_splits; ++s) {
      block.split = static_cast<int32_t>(s);
      block.key_begin = static_cast<int32_t>(std::max<int64_t>(key_begin, (first_split + s) * split_keys));
      block.key_end = static_cast<int32_t>(std::min<int64_t>(key_end, (first_split + s + 1) * split_keys));
      blocks.push_back(block);
    }
    merges.push_back({request, static_cast<int32_t>(num_splits), rows, 0});
  }
}

void AttentionPlan::share_out() {
  items.clear();
  for (size_t b = 0; b < blocks.size(); ++b) {
    const int together = heads_together(blocks[b]);
    for (int head = 0; head < desc.num_kv_heads; head += together) {
      items.push_back({static_cast<int32_t>(b), head, std::min(together, desc.num_kv_heads - head)});
    }
  }
}

int AttentionPlan::heads_together(const PlannedBlock& block) const {
  if (block.num_rows >= kMinPackedRows) return 1;
  const int64_t page_bytes = int64_t{desc.page_size} * desc.head_dim * (desc.dtype == SGL_BF16 ? 2 : 4);
  const int64_t for_memory = divide_up(kPieceBytes, page_bytes);
  const int64_t for_scratch = kMaxStreamGroups / divide_up(block.num_rows, 4);
  const int64_t for_balance = static_cast<int64_t>(blocks.size()) * desc.num_kv_heads / (kItemsPerThread * num_threads);
  return static_cast<int>(std::clamp<int64_t>(std::min({for_memory, for_scratch, for_balance}), 1, desc.num_kv_heads));
}

void AttentionPlan::reserve_partials(int64_t num_floats) {
  if (num_floats <= partial_capacity) return;
  partial_capacity = 0;
  partials = PageBuffer(static_cast<size_t>(num_floats) * sizeof(float));
  partial_capacity = num_floats;
}

void AttentionPlan::reserve_pending(int64_t count) {
  if (count <= pending_capacity) return;
  pending = std::make_unique<std::atomic<int32_t>[]>(static_cast<size_t>(count));
  pending_capacity = count;
}

}  // namespace sgl::cpu
