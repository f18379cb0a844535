#include "cuda/kernels/attention/attention_split.hpp"

#include <algorithm>
#include <functional>

namespace sgl::cuda {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t divide_rounding(int64_t a, int64_t b) { return (a + b / 2) / b; }

int first_visible_key(const sgl_attention_desc& desc, int position) {
  return desc.window > 0 ? std::max(0, position - desc.window + 1) : 0;
}

void add_decode_request(AttentionSplit& split, const sgl_attention_desc& desc, const sgl_attention_batch& batch, int r) {
  DecodeRequest request{};
  request.first_token = batch.query_start[r];
  request.num_tokens = batch.query_start[r + 1] - batch.query_start[r];
  request.kv_length = batch.kv_length[r];
  request.page_start = batch.page_start[r];
  request.key_begin = first_visible_key(desc, request.kv_length - request.num_tokens);
  request.first_unit = split.num_units;
  request.num_units = static_cast<int32_t>(divide_up(request.kv_length - request.key_begin, kUnitKeys));
  split.num_units += request.num_units * desc.num_kv_heads;
  split.decode_requests.push_back(request);
}

void add_prefill_tiles(AttentionSplit& split, const sgl_attention_desc& desc, const sgl_attention_batch& batch, int r,
                       int tile_rows) {
  const int group = desc.num_q_heads / desc.num_kv_heads;
  PrefillTile tile{};
  tile.first_token = batch.query_start[r];
  tile.num_tokens = batch.query_start[r + 1] - batch.query_start[r];
  tile.kv_length = batch.kv_length[r];
  tile.page_start = batch.page_start[r];
  tile.num_splits = 1;
  const int first_position = tile.kv_length - tile.num_tokens;
  const int64_t num_rows = static_cast<int64_t>(tile.num_tokens) * group;
  for (int64_t row = 0; row < num_rows; row += tile_rows) {
    tile.row_begin = static_cast<int32_t>(row);
    tile.num_rows = static_cast<int32_t>(std::min<int64_t>(tile_rows, num_rows - row));
    // Kernels copy runs of keys that divide kUnitKeys; they look no less closely at keys before the first visible one.
    tile.key_begin = first_visible_key(desc, first_position + tile.row_begin / group) / kUnitKeys * kUnitKeys;
    tile.key_end = first_position + (tile.row_begin + tile.num_rows - 1) / group + 1;
    split.prefill_tiles.push_back(tile);
  }
}

/// The request that a unit belongs to, given one at or before it.
size_t request_of(const AttentionSplit& split, const sgl_attention_desc& desc, size_t request, int64_t unit) {
  while (unit >=
         split.decode_requests[request].first_unit + int64_t{split.decode_requests[request].num_units} * desc.num_kv_heads) {
    ++request;
  }
  return request;
}

/// Where a stretch of about `length` units ends that begins at `begin` in `request`: at the end of an item where one is near,
/// since every item that a stretch cuts or shares costs about as much as a unit.
int64_t end_of_stretch(const AttentionSplit& split, const sgl_attention_desc& desc, size_t request, int64_t begin,
                       int64_t length) {
  const int64_t end = begin + length, slack = std::min(length / 4, 1 + length / 32);
  if (end >= split.num_units) return split.num_units;
  const DecodeRequest& at_end = split.decode_requests[request_of(split, desc, request, end)];
  const int64_t before = (end - at_end.first_unit) % at_end.num_units, after = at_end.num_units - before;
  if (std::min(before, after) > slack) return end;
  return before < after ? end - before : end + after;
}

/// Every worker an about equal stretch of the sequence of units.
void cut_stretches(AttentionSplit& split, const sgl_attention_desc& desc, int num_workers) {
  split.stretches.clear();
  const int64_t share = std::max<int64_t>(1, divide_rounding(split.num_units, num_workers));
  size_t request = 0;
  int first = 0;  // the stretch in which the item at the end of the last stretch begins
  for (int64_t begin = 0; begin < split.num_units;) {
    const int index = static_cast<int>(split.stretches.size());
    request = request_of(split, desc, request, begin);
    // Stretches that ended early leave more for the rest.
    const int64_t length = std::max(share, divide_rounding(split.num_units - begin, num_workers - index));
    const int64_t end = end_of_stretch(split, desc, request, begin, length);
    const DecodeRequest& at_begin = split.decode_requests[request];
    const auto unit_in_item = static_cast<int32_t>((begin - at_begin.first_unit) % at_begin.num_units);
    split.stretches.push_back(
        {at_begin, static_cast<int32_t>(request), static_cast<int32_t>(begin), static_cast<int32_t>(end), first, 0, 0, {}});
    if (unit_in_item > 0) {
      const int64_t item_end = begin - unit_in_item + at_begin.num_units;
      if (item_end <= end) {
        const int num_parts = index - first + 1;
        split.stretches[static_cast<size_t>(first)].tail_parts = num_parts;
        for (int i = first + 1; i <= index; ++i) split.stretches[static_cast<size_t>(i)].head_parts = num_parts;
      }
      if (item_end < end) first = index;
    } else {
      first = index;
    }
    begin = end;
  }
}

/// What a tile costs beside its keys, and a part of one beside those of a tile, in keys: on an H100 some 2 us each.
constexpr int64_t kTileKeys = 160;
constexpr int64_t kPartKeys = 160;

/// Equal parts, of whole units, that a tile is cut into if it is longer than `limit`.
int64_t part_keys_of(int64_t length, int64_t limit) {
  return length <= limit ? length : divide_up(divide_up(length, divide_up(length, limit)), kUnitKeys) * kUnitKeys;
}

/// When the last of `num_workers` is done, in keys, if each takes the next part when it is done with one. INT64_MAX if there
/// would be more parts than a plan has room for.
int64_t finish_time(AttentionSplit& split, int num_kv_heads, int num_workers, int64_t limit, int max_parts, int max_merges) {
  std::vector<int64_t>& done = split.worker_done;  // a heap, the first to be done in front
  done.assign(static_cast<size_t>(num_workers), 0);
  int64_t num_parts = 0, num_merges = 0;
  for (const PrefillTile& tile : split.prefill_tiles) {
    const int64_t length = tile.key_end - tile.key_begin, part_keys = part_keys_of(length, limit);
    const bool is_split = part_keys < length;
    if (is_split) {
      num_parts += divide_up(length, part_keys) * num_kv_heads;
      num_merges += num_kv_heads;
      if (num_parts > max_parts || num_merges > max_merges) return INT64_MAX;
    }
    for (int64_t begin = 0; begin < length; begin += part_keys) {
      const int64_t cost = std::min(part_keys, length - begin) + kTileKeys + (is_split ? kPartKeys : 0);
      for (int head = 0; head < num_kv_heads; ++head) {
        std::pop_heap(done.begin(), done.end(), std::greater<>());
        done.back() += cost;
        std::push_heap(done.begin(), done.end(), std::greater<>());
      }
    }
  }
  return *std::max_element(done.begin(), done.end());
}

/// The longest that a part may be. Where tiles are few, cutting them can fill the device, or leave more of it idle in the last
/// round; where they are many, only one that is longer than a worker's equal share need be cut.
int64_t longest_part(AttentionSplit& split, const sgl_attention_desc& desc, int num_workers, int max_parts, int max_merges) {
  int64_t num_keys = 0;
  for (const PrefillTile& tile : split.prefill_tiles) num_keys += tile.key_end - tile.key_begin;
  const int64_t share = std::max<int64_t>(kMinSplitKeys, divide_up(num_keys * desc.num_kv_heads, num_workers));
  constexpr int kRounds = 4;
  if (static_cast<int64_t>(split.prefill_tiles.size()) * desc.num_kv_heads > int64_t{kRounds} * num_workers) return share;
  int64_t best = INT64_MAX, best_time = INT64_MAX;
  for (const int64_t limit : {INT64_MAX, 2 * share, share * 5 / 4, share * 9 / 8, share, share / 2, share / 3}) {
    if (limit < kMinSplitKeys) continue;
    const int64_t time = finish_time(split, desc.num_kv_heads, num_workers, limit, max_parts, max_merges);
    if (time < best_time) {
      best = limit;
      best_time = time;
    }
  }
  return best;
}

/// Blocks work on neighbours at the same time. Those of a request share its keys in the second-level cache; short tiles of
/// short requests are left for the end, where they fill up what is uneven.
void order_prefill(std::vector<PrefillTile>& tiles) {
  std::sort(tiles.begin(), tiles.end(), [](const PrefillTile& a, const PrefillTile& b) {
    if (a.kv_length != b.kv_length) return a.kv_length > b.kv_length;
    if (a.first_token != b.first_token) return a.first_token < b.first_token;
    return a.key_end - a.key_begin > b.key_end - b.key_begin;
  });
}

/// Cuts the keys of long tiles.
void split_prefill(AttentionSplit& split, const sgl_attention_desc& desc, const AttentionWorkers& workers) {
  if (split.prefill_tiles.empty()) return;
  order_prefill(split.prefill_tiles);
  const int num_workers = workers.num_sm90_workers > 0 ? workers.num_sm90_workers : workers.num_prefill_workers;
  const int64_t limit = longest_part(split, desc, num_workers, max_prefill_partials(workers), max_prefill_merges(workers));
  const size_t num_tiles = split.prefill_tiles.size();
  for (size_t i = 0; i < num_tiles; ++i) {
    const PrefillTile whole = split.prefill_tiles[i];
    const int64_t length = whole.key_end - whole.key_begin;
    const int64_t part_keys = part_keys_of(length, limit);
    if (part_keys >= length) continue;
    PrefillTile part = whole;
    part.num_splits = static_cast<int32_t>(divide_up(length, part_keys));
    part.first_partial = split.num_prefill_partials;
    part.merge = split.num_prefill_merges;
    split.num_prefill_partials += part.num_splits * desc.num_kv_heads;
    ++split.num_prefill_merges;
    for (part.split = 0; part.split < part.num_splits; ++part.split) {
      part.key_begin = whole.key_begin + static_cast<int32_t>(part.split * part_keys);
      part.key_end = static_cast<int32_t>(std::min<int64_t>(whole.key_end, part.key_begin + part_keys));
      if (part.split == 0) {
        split.prefill_tiles[i] = part;
      } else {
        split.prefill_tiles.push_back(part);
      }
    }
  }
  order_prefill(split.prefill_tiles);
}

}  // namespace

void split_attention(AttentionSplit& split, const sgl_attention_desc& desc, const sgl_attention_batch& batch,
                     const AttentionWorkers& workers) {
  split.decode_requests.clear();
  split.prefill_tiles.clear();
  split.num_units = 0;
  split.num_prefill_partials = 0;
  split.num_prefill_merges = 0;
  const int group = desc.num_q_heads / desc.num_kv_heads;
  for (int r = 0; r < batch.num_requests; ++r) {
    const int64_t num_rows = static_cast<int64_t>(batch.query_start[r + 1] - batch.query_start[r]) * group;
    if (num_rows == 0) continue;
    if (num_rows <= kDecodeRows) {
      add_decode_request(split, desc, batch, r);
    } else {
      add_prefill_tiles(split, desc, batch, r, workers.prefill_rows);
    }
  }
  split.is_for_decode_sm90 = workers.num_decode_sm90_workers > 0 && split.decode_requests.size() >= kMinDecodeSm90Requests;
  cut_stretches(split, desc, split.is_for_decode_sm90 ? workers.num_decode_sm90_workers : workers.num_decode_workers);
  split_prefill(split, desc, workers);
}

// A tile of `length` keys is split if length > share, into at most 2 * length / share parts, and the lengths of all tiles and
// heads together are at most num_prefill_workers * share.
int max_prefill_partials(const AttentionWorkers& workers) { return 2 * workers.num_prefill_workers; }
int max_prefill_merges(const AttentionWorkers& workers) { return workers.num_prefill_workers; }

}  // namespace sgl::cuda
