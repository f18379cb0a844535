// Attention of a block of query rows over a range of keys in the pages of one KV head, with an online softmax.
//
// Bound: decode reads K and V once (4 * head_dim bytes a key in bf16, 4 * head_dim * group FLOPs), so memory; prefill does
// 4 * head_dim FLOPs a row and key, so the multipliers.
//
// Schedule, for each tile of 64 keys:
//   1. find the rows of the tile in the pages; the tile after it is prefetched while this one is used;
//   2. blocks of 16 rows and more: repack K and V so that vectors run over keys, then over columns;
//   3. a register tile of rows (6 packed; 1, 2 or 4 streamed): scores = q . k, skipping keys that no row sees;
//   4. running maximum, weights = 2^(score - maximum), running sum;
//   5. sums = sums * 2^(old maximum - maximum) + weights . v.
//
// On AVX-512 fewer rows go another way: stream_avx512.hpp.
//
// Measured by attention_bench, bf16, 32 / 8 heads of 128: prefill of 2048 on two Zen 5 cores at 396 GFLOP/s, 46 % of the dot
// peak.

#include "cpu/attention/bf16_products.hpp"
#include "cpu/attention/f32_products.hpp"
#include "cpu/attention/stream_avx512.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// Keys that a row sees, relative to the tile's first.
struct KeyRange {
  int begin;
  int end;
};

int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

int round_up(int x, int multiple) { return (x + multiple - 1) / multiple * multiple; }

float exp2_scalar(float x) { return exp2(broadcast(x))[0]; }

/// Walks a request's keys through its pages.
template <class Storage>
struct KeyCursor {
  KeyCursor(const AttentionBlock& block, int head)
      : block(block),
        head_offset(head * block.kv_head_stride),
        page(block.key_begin / block.page_size),
        row(block.key_begin % block.page_size),
        left(block.key_end - block.key_begin) {}

  /// Pointers to the next `kTileKeys` rows of K and V; past the last key to zeros. Returns how many are keys.
  int next(const Storage** keys, const Storage** values, const Storage* zeros) {
    const int count = left < kTileKeys ? left : kTileKeys;
    for (int i = 0; i < count;) {
      const int64_t offset = head_offset + block.pages[page] * block.page_stride + static_cast<int64_t>(row) * block.head_dim;
      const Storage* k = static_cast<const Storage*>(block.k_cache) + offset;
      const Storage* v = static_cast<const Storage*>(block.v_cache) + offset;
      const int run = count - i < block.page_size - row ? count - i : block.page_size - row;
      for (int j = 0; j < run; ++j) {
        keys[i + j] = k + static_cast<int64_t>(j) * block.head_dim;
        values[i + j] = v + static_cast<int64_t>(j) * block.head_dim;
      }
      i += run;
      row += run;
      if (row == block.page_size) {
        row = 0;
        ++page;
      }
    }
    for (int i = count; i < kTileKeys; ++i) keys[i] = values[i] = zeros;
    left -= count;
    return count;
  }

  const AttentionBlock& block;
  const int64_t head_offset;
  int page;
  int row;
  int left;
};

template <class Storage>
struct Tile {
  const Storage* keys[kTileKeys];
  const Storage* values[kTileKeys];
  int first_key;
  int num_keys;
};

KeyRange visible_keys(const AttentionBlock& block, int row, int first_key, int num_keys) {
  const int position = block.first_position + (block.row_begin + row) / block.group;
  const int end = clamp(position + 1 - first_key, 0, num_keys);
  const int begin = block.window > 0 ? clamp(position + 1 - block.window - first_key, 0, end) : 0;
  return {begin, end};
}

/// c [kTileRows, kVectors * kLanes] = a . b, plus c * shrink where that is given.
template <class Products, int kVectors>
void multiply_tile(float* c, int c_stride, const typename Products::Unit* a, int a_stride, const typename Products::Unit* b,
                   int b_stride, int num_units, const float* shrink) {
  Vec sums[kTileRows][kVectors] = {};
  if (shrink != nullptr) {
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < kVectors; ++v) sums[r][v] = load(c + r * c_stride + v * kLanes) * shrink[r];
    }
  }
  for (int u = 0; u < num_units; ++u) {
    Vec columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = load(reinterpret_cast<const float*>(b) + u * b_stride + v * kLanes);
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Products::product(sums[r][v], a[r * a_stride + u], columns[v]);
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kVectors; ++v) store(c + r * c_stride + v * kLanes, sums[r][v]);
  }
}

/// The same for any multiple of kLanes columns.
template <class Products>
void multiply(float* c, int c_stride, const typename Products::Unit* a, int a_stride, const typename Products::Unit* b,
              int b_stride, int num_units, int num_columns, const float* shrink) {
  constexpr int kMax = Products::kMaxVectors;
  int column = 0;
  for (; column + kMax * kLanes <= num_columns; column += kMax * kLanes) {
    multiply_tile<Products, kMax>(c + column, c_stride, a, a_stride, b + column, b_stride, num_units, shrink);
  }
  switch ((num_columns - column) / kLanes) {
    case 3:
      if constexpr (kMax > 3) {
        multiply_tile<Products, 3>(c + column, c_stride, a, a_stride, b + column, b_stride, num_units, shrink);
      }
      break;
    case 2:
      if constexpr (kMax > 2) {
        multiply_tile<Products, 2>(c + column, c_stride, a, a_stride, b + column, b_stride, num_units, shrink);
      }
      break;
    case 1:
      multiply_tile<Products, 1>(c + column, c_stride, a, a_stride, b + column, b_stride, num_units, shrink);
      break;
    default:
      break;
  }
}

/// Scaled, capped and in base 2.
Vec transform(Vec scores, const AttentionBlock& block) {
  if (block.soft_cap > 0) return tanh(scores * (block.scale / block.soft_cap)) * (block.soft_cap * kLog2E);
  return scores * (block.scale * kLog2E);
}

/// One row's step of the online softmax. Columns outside `visible` get weight 0.
template <class Products>
void softmax_row(float* scores, typename Products::Unit* weights, int num_columns, KeyRange visible,
                 const AttentionBlock& block, int row) {
  BlockScratch& scratch = *block.scratch;
  Vec tile_max = broadcast(-kInfinity);
  const bool all_visible = visible.begin == 0 && visible.end >= num_columns;
  for (int column = 0; column < num_columns; column += kLanes) {
    Vec x = transform(load(scores + column), block);
    if (!all_visible) {
      const IntVec key = lane_indices() + column;
      x = (key >= visible.begin) & (key < visible.end) ? x : broadcast(-kInfinity);
    }
    store(scores + column, x);
    tile_max = max(tile_max, x);
  }
  const float old_max = scratch.row_max[row];
  const float new_max = reduce_max(max(tile_max, broadcast(old_max)));
  // A row that has seen no key yet has no maximum; any finite base makes its weights 0.
  const float base = new_max == -kInfinity ? 0.0f : new_max;
  const float shrink = exp2_scalar(old_max - base);
  Vec sum = {};
  for (int column = 0; column < num_columns; column += kLanes) {
    sum += Products::store_weights(weights, column, exp2(load(scores + column) - base));
  }
  scratch.row_max[row] = new_max;
  scratch.row_sum[row] = scratch.row_sum[row] * shrink + reduce_add(sum);
  scratch.row_shrink[row % kTileRows] = shrink;
}

/// Step 4 for `num_rows` rows, of which those past the block's last see nothing. `row_shrink` is theirs from its start.
template <class Products, class Storage>
void softmax_rows(const AttentionBlock& block, const Tile<Storage>& tile, int first_row, int num_rows, int num_columns) {
  constexpr int kWeightUnits = kTileKeys / Products::kElements;
  auto* weights = reinterpret_cast<typename Products::Unit*>(block.scratch->weights);
  float shrink[kTileRows];
  for (int r = 0; r < num_rows; ++r) {
    const int row = first_row + r;
    const KeyRange visible = row < block.num_rows ? visible_keys(block, row, tile.first_key, tile.num_keys) : KeyRange{0, 0};
    softmax_row<Products>(block.scratch->scores + r * kTileKeys, weights + r * kWeightUnits, num_columns, visible, block, row);
    shrink[r] = block.scratch->row_shrink[row % kTileRows];
  }
  for (int r = 0; r < num_rows; ++r) block.scratch->row_shrink[r] = shrink[r];
}

/// Columns of the tile up to the last that rows [first_row, last_row] see, in whole vectors; 0 where they see none.
template <class Storage>
int columns_seen(const AttentionBlock& block, const Tile<Storage>& tile, int first_row, int last_row, int multiple) {
  last_row = last_row < block.num_rows ? last_row : block.num_rows - 1;
  const KeyRange first = visible_keys(block, first_row, tile.first_key, tile.num_keys);
  const KeyRange last = visible_keys(block, last_row, tile.first_key, tile.num_keys);
  return first.begin >= last.end ? 0 : round_up(last.end, multiple);
}

template <class Products, class Storage>
void attend_packed(const AttentionBlock& block, const Tile<Storage>& tile, const Tile<Storage>& next, int row_units) {
  using Unit = typename Products::Unit;
  constexpr int kElements = Products::kElements;
  BlockScratch& scratch = *block.scratch;
  const int num_keys = round_up(tile.num_keys, 16);
  const int row_floats = round_up(block.head_dim, 32);
  auto* keys = reinterpret_cast<Unit*>(scratch.keys);
  auto* values = reinterpret_cast<Unit*>(scratch.values);
  const auto* weights = reinterpret_cast<const Unit*>(scratch.weights);
  Products::pack_keys(keys, tile.keys, next.keys, num_keys, block.head_dim);
  Products::pack_values(values, row_floats, tile.values, next.values, num_keys, block.head_dim);
  for (int row = 0; row < block.num_rows; row += kTileRows) {
    const int num_columns = columns_seen(block, tile, row, row + kTileRows - 1, kLanes);
    if (num_columns == 0) continue;
    const auto* queries = reinterpret_cast<const Unit*>(scratch.queries) + row * row_units;
    multiply<Products>(scratch.scores, kTileKeys, queries, row_units, keys, kTileKeys, block.head_dim / kElements, num_columns,
                       nullptr);
    softmax_rows<Products>(block, tile, row, kTileRows, num_columns);
    multiply<Products>(scratch.sums + row * row_floats, row_floats, weights, kTileKeys / kElements, values, row_floats,
                       num_columns / kElements, round_up(block.head_dim, kLanes), scratch.row_shrink);
  }
}

#if !defined(SGL_ISA_avx512_bf16)
template <class Products, int kRows, class Storage>
void stream_rows(const AttentionBlock& block, const Tile<Storage>& tile, const Tile<Storage>& next, int row, int row_units) {
  using Unit = typename Products::Unit;
  BlockScratch& scratch = *block.scratch;
  const int row_floats = round_up(block.head_dim, 32);
  const int num_columns = columns_seen(block, tile, row, row + kRows - 1, 16);
  if (num_columns == 0) return;
  const auto* queries = reinterpret_cast<const Unit*>(scratch.queries) + row * row_units;
  Products::template stream_scores<kRows>(scratch.scores, queries, row_units, tile.keys, next.keys, num_columns,
                                          block.head_dim);
  softmax_rows<Products>(block, tile, row, kRows, num_columns);
  Products::template stream_sums<kRows>(scratch.sums + row * row_floats, row_floats, scratch.row_shrink,
                                        reinterpret_cast<const Unit*>(scratch.weights), tile.values, next.values, num_columns,
                                        block.head_dim);
}

template <class Products, class Storage>
void attend_streamed(const AttentionBlock& block, const Tile<Storage>& tile, const Tile<Storage>& next, int row_units) {
  for (int row = 0; row < block.num_rows;) {
    const int left = block.num_rows - row;
    if (left > 2) {
      stream_rows<Products, 4>(block, tile, next, row, row_units);
      row += 4;
    } else if (left == 2) {
      stream_rows<Products, 2>(block, tile, next, row, row_units);
      row += 2;
    } else {
      stream_rows<Products, 1>(block, tile, next, row, row_units);
      row += 1;
    }
  }
}
#endif

/// What the sums of a row are multiplied with, its sink included.
float normalizer(float max, float sum, const float* sinks, int head) {
  if (sinks == nullptr) return 1.0f / sum;
  const float sink = sinks[head] * kLog2E;
  const float base = sink > max ? sink : max;
  const float shrink = exp2_scalar(max - base);
  return shrink / (sum * shrink + exp2_scalar(sink - base));
}

/// Row r of the block's KV head `head`: its sums, divided and rounded to out, or as they are to the block's partial.
template <class Storage>
void finish_row(const AttentionBlock& block, int head, int r, const float* sums, float max, float sum) {
  if (block.partial != nullptr) {
    float* partial = block.partial + head * block.partial_head_stride + static_cast<int64_t>(r) * (block.head_dim + 2);
    __builtin_memcpy(partial, sums, static_cast<size_t>(block.head_dim) * sizeof(float));
    partial[block.head_dim] = max;
    partial[block.head_dim + 1] = sum;
    return;
  }
  const int row = block.row_begin + r;
  const int q_head = head * block.group + row % block.group;
  Storage* out = static_cast<Storage*>(block.out) + row / block.group * block.out_token_stride + q_head * block.out_head_stride;
  const float factor = normalizer(max, sum, block.sinks, q_head);
  for (int d = 0; d < block.head_dim; d += kLanes) store_partial(out + d, load(sums + d) * factor, block.head_dim - d);
}

/// One KV head's rows, a tile of keys at a time.
template <class Products, class Storage>
void attend_head(const AttentionBlock& block, int head) {
  using Unit = typename Products::Unit;
  BlockScratch& scratch = *block.scratch;
  const int row_floats = round_up(block.head_dim, 32);
  const int row_units = row_floats / Products::kElements;
  const bool packed = block.num_rows >= kMinPackedRows;
  const int padded_rows = round_up(block.num_rows, packed ? kTileRows : 4);

  auto* queries = reinterpret_cast<Unit*>(scratch.queries);
  const Storage* q = static_cast<const Storage*>(block.q) + head * block.group * block.q_head_stride;
  for (int r = 0; r < padded_rows; ++r) {
    Unit* query = queries + r * row_units;
    __builtin_memset(query, 0, static_cast<size_t>(row_units) * sizeof(Unit));
    scratch.row_max[r] = -kInfinity;
    scratch.row_sum[r] = 0;
    if (r >= block.num_rows) continue;
    const int row = block.row_begin + r;
    Products::pack_query(query, q + row / block.group * block.q_token_stride + row % block.group * block.q_head_stride,
                         block.head_dim);
  }
  __builtin_memset(scratch.sums, 0, static_cast<size_t>(padded_rows * row_floats) * sizeof(float));
  __builtin_memset(scratch.zeros, 0, sizeof(scratch.zeros));

  KeyCursor<Storage> cursor(block, head);
  const auto* zeros = reinterpret_cast<const Storage*>(scratch.zeros);
  Tile<Storage> tiles[2];
  tiles[0].num_keys = cursor.next(tiles[0].keys, tiles[0].values, zeros);
  tiles[0].first_key = block.key_begin;
  for (int i = 0; tiles[i % 2].num_keys > 0; ++i) {
    const Tile<Storage>& tile = tiles[i % 2];
    Tile<Storage>& next = tiles[(i + 1) % 2];
    next.num_keys = cursor.next(next.keys, next.values, zeros);
    next.first_key = tile.first_key + tile.num_keys;
    if (packed) {
      attend_packed<Products>(block, tile, next, row_units);
    } else {
#if !defined(SGL_ISA_avx512_bf16)
      attend_streamed<Products>(block, tile, next, row_units);
#endif
    }
  }
  for (int r = 0; r < block.num_rows; ++r) {
    finish_row<Storage>(block, head, r, scratch.sums + r * row_floats, scratch.row_max[r], scratch.row_sum[r]);
  }
}

#if defined(SGL_ISA_avx512_bf16)
template <class Stream, int kHeadDim>
void attend_lanes(const AttentionBlock& block) {
  StreamedBlock<Stream, kHeadDim> streamed(block);
  streamed.run();
  for (int head = 0; head < block.num_heads; ++head) {
    for (int r = 0; r < block.num_rows; ++r) {
      finish_row<typename Stream::Storage>(block, head, r, streamed.sums(head, r), streamed.row_max(head, r),
                                           streamed.row_sum(head, r));
    }
  }
}
#endif

template <class Products, class Storage>
void attend(const AttentionBlock& block) {
#if defined(SGL_ISA_avx512_bf16)
  if (block.num_rows < kMinPackedRows) {
    switch (block.head_dim) {
      case 64:
        return attend_lanes<LaneStream<Storage>, 64>(block);
      case 128:
        return attend_lanes<LaneStream<Storage>, 128>(block);
      default:
        return attend_lanes<LaneStream<Storage>, 0>(block);
    }
  }
#endif
  for (int head = 0; head < block.num_heads; ++head) attend_head<Products, Storage>(block, head);
}

template <class Storage>
void merge(const AttentionMerge& merge) {
  const int64_t row_floats = merge.head_dim + 2;
  const int64_t split_floats = merge.num_rows * row_floats;
  for (int row = 0; row < merge.num_rows; ++row) {
    const float* first = merge.partials + row * row_floats;
    float max = -kInfinity;
    for (int s = 0; s < merge.num_splits; ++s) {
      const float split_max = first[s * split_floats + merge.head_dim];
      max = split_max > max ? split_max : max;
    }
    float sum = 0;
    float weights[kMaxSplits];
    for (int s = 0; s < merge.num_splits; ++s) {
      const float* partial = first + s * split_floats;
      weights[s] = exp2_scalar(partial[merge.head_dim] - max);
      sum += partial[merge.head_dim + 1] * weights[s];
    }
    const float factor = normalizer(max, sum, merge.sinks, row % merge.group);
    Storage* out = static_cast<Storage*>(merge.out) + row / merge.group * merge.out_token_stride +
                   row % merge.group * merge.out_head_stride;
    for (int d = 0; d < merge.head_dim; d += kLanes) {
      const int count = merge.head_dim - d;
      Vec total = {};
      for (int s = 0; s < merge.num_splits; ++s) total += load_partial(first + s * split_floats + d, count) * weights[s];
      store_partial(out + d, total * factor, count);
    }
  }
}

}  // namespace

SGL_DEFINE_KERNELS(AttentionKernels, kAttentionF32) = {attend<F32Products, float>, merge<float>};
#if defined(SGL_ISA_avx512_bf16)
SGL_DEFINE_KERNELS(AttentionKernels, kAttentionBf16) = {attend<Bf16Products, uint16_t>, merge<uint16_t>};
#else
SGL_DEFINE_KERNELS(AttentionKernels, kAttentionBf16) = {attend<F32Products, uint16_t>, merge<uint16_t>};
#endif

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
