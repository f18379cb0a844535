#pragma once

#include "cpu/attention/attention_kernels.hpp"
#include "cpu/attention/stream_products_avx512.hpp"

#if defined(SGL_ISA_avx512_bf16)

// Few query rows (decode, short chunks) against K and V as they lie in their pages.
//
// Four rows share a vector, one in each 128-bit lane, from the scores to the weights:
//   scores   K is read in halves of a line, [a b a b] in lanes; the queries are packed as [q0a q1b q2a q3b] and
//            [q1a q0b q3a q2b], so that two products cover four rows, and four keys' sums become one vector of 4 rows x 4 keys
//            with 10 shuffles;
//   softmax  maximum, weight and sum of four rows at once, without a sum across lanes before the last tile;
//   sums     a weight is broadcast from memory to multiply the columns of V.
// So a line of K or V costs four products and little else, which is the least for four rows.
//
// An item holds several neighbouring KV heads, whose rows of a page are one piece of memory. Its steps are the heads of a tile,
// then those of the next tile, so that each of a tile's pages is walked from front to back: one run at a time, at random pages,
// would reach a third of the memory's bandwidth. While it works on a step it asks for the next two, from eight places at a time
// (four of K, four of V). The next item's first steps follow the last one's.
//
// Measured: docs/performance.md.

namespace sgl::cpu {
namespace {

constexpr int kFirstLevelBytes = 32 << 10;

/// Four rows of one head: what a block keeps of them between tiles.
struct RowGroup {
  uint32_t* queries;  // [halves of a line, 2, 16 units]
  float* sums;        // [4, row_floats]
  float* max;         // [4 rows x 4], a row's four alike
  float* sum;         // [4 rows x 4], a row's four to be added
};

template <class Stream, int kHeadDim>
class StreamedBlock {
 public:
  using Storage = typename Stream::Storage;

  explicit StreamedBlock(const AttentionBlock& block)
      : block_(block),
        scratch_(*block.scratch),
        groups_((block.num_rows + kLaneRows - 1) / kLaneRows),
        weights_(reinterpret_cast<char*>(block.scratch->weights)) {
    __builtin_memset(scratch_.zeros, 0, sizeof(scratch_.zeros));
    for (int row = 0; row < groups_ * kLaneRows; ++row) {
      const int known = row < block.num_rows ? row : block.num_rows - 1;
      seen_end_[row] = block.first_position + (block.row_begin + known) / block.group + 1;
    }
    for (int head = 0; head < block.num_heads; ++head) {
      for (int group = 0; group < groups_; ++group) start(head, group);
    }
  }

  void run() {
    Queue queue(block_);
    typename Queue::Entry entries[kEntries];
    for (typename Queue::Entry& entry : entries) queue.next(entry);
    for (int i = 0; entries[i % kEntries].block == &block_; ++i) {
      typename Queue::Entry& current = entries[i % kEntries];
      for (int head = 0; head < block_.num_heads; ++head) {
        // Where nothing follows, and for a head's other groups, the lines asked for are there already.
        const typename Prefetcher::Target here = target(current, head);
        const Step near = after(entries, {i, head});
        const Prefetcher ahead(target(entries, near, here), target(entries, after(entries, near), here));
        const Prefetcher nothing(here, here);
        for (int group = 0; group < groups_; ++group) attend(current.tile, head, group, group == 0 ? ahead : nothing);
      }
      queue.next(current);
    }
  }

  /// Row `row` of a head, in order.
  const float* sums(int head, int row) {
    float* sums = group_of(head, row / kLaneRows).sums + row % kLaneRows * row_floats();
    Stream::order_columns(sums, head_dim());
    return sums;
  }
  float row_max(int head, int row) const { return group_of(head, row / kLaneRows).max[row % kLaneRows * 4]; }
  float row_sum(int head, int row) const {
    const float* sum = group_of(head, row / kLaneRows).sum + row % kLaneRows * 4;
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }

 private:
  static constexpr int kEntries = 3;
  /// Keys of a tile: those of a head of 64 in bf16 are 16 KiB, so that two steps are further ahead than the memory's latency.
  /// Longer rows get there with fewer, and the less is asked for at a time, the less of it a core drops (heads of 128 in bf16:
  /// 4 to 6 % faster than with 64 keys; in f32 4 %, and 11 % slower with 16).
  static constexpr int kKeys = kHeadDim > 0 && kHeadDim * sizeof(Storage) <= 128 ? 64 : 32;
  static constexpr int kStepBytes = 2 * kKeys * kHeadDim * static_cast<int>(sizeof(Storage));
  static_assert(kKeys <= kTileKeys && kLaneRows <= kTileRows, "the scratch holds a tile's scores");

  using Tile = StreamTile<kKeys>;
  using Queue = StreamQueue<kKeys>;
  using Prefetcher = StreamPrefetcher<Storage, kKeys, (kHeadDim > 0 && 2 * kStepBytes <= kFirstLevelBytes)>;

  /// A head of a tile in the queue.
  struct Step {
    int entry;
    int head;
  };

  static constexpr int kUnitElements = 4 / static_cast<int>(sizeof(Storage));
  static constexpr int kHalfUnits = 8;  // half a line

  int head_dim() const { return kHeadDim > 0 ? kHeadDim : block_.head_dim; }
  int row_floats() const { return (head_dim() + 31) / 32 * 32; }
  int row_units() const { return head_dim() / kUnitElements; }  // a multiple of 4

  static const Storage* keys_of(const AttentionBlock& block, int head) {
    return static_cast<const Storage*>(block.k_cache) + head * block.kv_head_stride;
  }
  static const Storage* values_of(const AttentionBlock& block, int head) {
    return static_cast<const Storage*>(block.v_cache) + head * block.kv_head_stride;
  }

  static Step after(const typename Queue::Entry (&entries)[kEntries], Step step) {
    const AttentionBlock* block = entries[step.entry % kEntries].block;
    if (block == nullptr) return step;
    return step.head + 1 < block->num_heads ? Step{step.entry, step.head + 1} : Step{step.entry + 1, 0};
  }

  static typename Prefetcher::Target target(const typename Queue::Entry& entry, int head) {
    return {keys_of(*entry.block, head), values_of(*entry.block, head), entry.tile.offsets};
  }

  /// `otherwise` past the queue's end.
  static typename Prefetcher::Target target(const typename Queue::Entry (&entries)[kEntries], Step step,
                                            const typename Prefetcher::Target& otherwise) {
    const typename Queue::Entry& entry = entries[step.entry % kEntries];
    return entry.block != nullptr ? target(entry, step.head) : otherwise;
  }

  RowGroup group_of(int head, int group) const {
    const int index = head * groups_ + group;
    return {reinterpret_cast<uint32_t*>(scratch_.queries) + index * kLaneRows * row_floats(),
            scratch_.sums + index * kLaneRows * row_floats(), scratch_.lane_max + index * 16, scratch_.lane_sum + index * 16};
  }

  void start(int head, int group) {
    const RowGroup rows = group_of(head, group);
    const size_t num_floats = static_cast<size_t>(kLaneRows * row_floats());
    __builtin_memset(rows.sums, 0, num_floats * sizeof(float));
    __builtin_memset(rows.queries, 0, num_floats * sizeof(uint32_t));
    _mm512_store_ps(rows.max, _mm512_set1_ps(-kInfinity));
    _mm512_store_ps(rows.sum, _mm512_setzero_ps());
    const auto* q = static_cast<const Storage*>(block_.q) + head * block_.group * block_.q_head_stride;
    for (int r = 0; r < kLaneRows && group * kLaneRows + r < block_.num_rows; ++r) {
      const int row = block_.row_begin + group * kLaneRows + r;
      const Storage* query = q + row / block_.group * block_.q_token_stride + row % block_.group * block_.q_head_stride;
      for (int quarter = 0; quarter < row_units() / 4; ++quarter) {
        const int lane = quarter % 2 == r % 2 ? r : 4 + (r ^ 1);
        __builtin_memcpy(rows.queries + quarter / 2 * 32 + lane * 4, query + quarter * 4 * kUnitElements, 16);
      }
    }
  }

  /// Keys from `first_key` that row `row` of the block sees.
  void visible(int row, int first_key, int num_keys, int* begin, int* end) const {
    const int past = seen_end_[row] - first_key;
    *end = past < 0 ? 0 : past < num_keys ? past : num_keys;
    const int start = block_.window > 0 ? past - block_.window : 0;
    *begin = start < 0 ? 0 : start < *end ? start : *end;
  }

  void attend(const Tile& tile, int head, int group, const Prefetcher& ahead) {
    int begins[kLaneRows], ends[kLaneRows];
    int first = kKeys, last = 0;
    bool is_masked = false;
    for (int r = 0; r < kLaneRows; ++r) {
      visible(group * kLaneRows + r, tile.first_key, tile.num_keys, &begins[r], &ends[r]);
      if (begins[r] < ends[r] && begins[r] < first) first = begins[r];
      if (begins[r] < ends[r] && ends[r] > last) last = ends[r];
    }
    if (first >= last) return;
    const int first_octet = first / kOctet;
    const int end_octet = (last + kOctet - 1) / kOctet;
    for (int r = 0; r < kLaneRows; ++r) is_masked |= begins[r] > first_octet * kOctet || ends[r] < end_octet * kOctet;

    const RowGroup rows = group_of(head, group);
    score(rows.queries, tile, head, first_octet, end_octet, ahead);
    const __m512 shrink = is_masked ? weigh<true>(rows, first_octet, end_octet, begins, ends)
                                    : weigh<false>(rows, first_octet, end_octet, begins, ends);
    float shrinks[16];
    _mm512_storeu_ps(shrinks, shrink);
    int column = 0;
    constexpr int kLineElements = 64 / static_cast<int>(sizeof(Storage));
    constexpr int kMax = Stream::kMaxLines;
    for (; column + kMax * kLineElements <= head_dim(); column += kMax * kLineElements) {
      sum_values<kMax>(rows.sums, shrinks, tile, head, first_octet, end_octet, column, ~0u, ahead);
    }
    if constexpr (kHeadDim == 0 || kHeadDim % (kMax * kLineElements) != 0) {
      for (; column < head_dim(); column += kLineElements) {
        sum_values<1>(rows.sums, shrinks, tile, head, first_octet, end_octet, column, Stream::mask_of(head_dim() - column),
                      ahead);
      }
    }
  }

  /// Calls use(rows) for eight keys' rows in `cache`, a head's row 0 of page 0; keys that are not the block's have zeros.
  template <class Use>
  inline void with_rows(const Storage* cache, const Tile& tile, int octet, const Use& use) const {
    const int64_t* offsets = tile.offsets + octet * kOctet;
    if (__builtin_expect(tile.is_dense[octet], 1)) {
      use(DenseRows<Storage>{cache + offsets[0], head_dim()});
      return;
    }
    LooseRows<Storage> loose;
    for (int j = 0; j < kOctet; ++j) {
      const int key = tile.first_key + octet * kOctet + j;
      const bool is_key = key >= block_.key_begin && key < block_.key_end;
      loose.rows[j] = is_key ? cache + offsets[j] : reinterpret_cast<const Storage*>(scratch_.zeros);
    }
    use(loose);
  }

  /// scores [keys / 4, 4 rows, 4 keys], scaled, capped and in base 2.
  void score(const uint32_t* queries, const Tile& tile, int head, int first_octet, int end_octet, const Prefetcher& ahead) {
    const Storage* keys = keys_of(block_, head);
    const float factor = block_.soft_cap > 0 ? block_.scale / block_.soft_cap : block_.scale * kLog2E;
    for (int octet = first_octet; octet < end_octet; ++octet) {
      float* scores = scratch_.scores + octet * kOctet * kLaneRows;
      with_rows(keys, tile, octet, [&](const auto& rows) {
        score_keys(scores, queries, rows, 0, factor, ahead, octet);
        score_keys(scores + 16, queries, rows, 4, factor, ahead, octet);
      });
    }
    if (block_.soft_cap <= 0) return;
    for (int i = first_octet * 2; i < end_octet * 2; ++i) {
      float* scores = scratch_.scores + i * 16;
      store(scores, tanh(load(scores)) * (block_.soft_cap * kLog2E));
    }
  }

  /// Four keys, from `first` of eight on. With more, the sums' tails overlap less with the next keys' products.
  template <class Rows>
  inline void score_keys(float* scores, const uint32_t* queries, const Rows& rows, int first, float factor,
                         const Prefetcher& ahead, int step) const {
    __m512 straight[4], crossed[4];
    for (int j = 0; j < 4; ++j) straight[j] = crossed[j] = _mm512_setzero_ps();
    const auto add = [&](int half, auto load_half) __attribute__((always_inline)) {
      const __m512i q = _mm512_load_si512(queries + half * 32);
      const __m512i q_crossed = _mm512_load_si512(queries + half * 32 + 16);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m512i k = load_half(rows[first + j] + half * kHalfUnits * kUnitElements);
        straight[j] = Stream::product(straight[j], k, q);
        crossed[j] = Stream::product(crossed[j], k, q_crossed);
      }
    };
    const int num_halves = row_units() / kHalfUnits;
    const int row_lines = (num_halves + 1) / 2;
#pragma GCC unroll 16
    for (int half = 0; half < num_halves; ++half) {
      ahead.line(step, first / 2 + half / row_lines, half % row_lines);
      add(
          half, [](const Storage* p) __attribute__((always_inline)) {
            return _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
          });
    }
    if (row_units() % kHalfUnits != 0) {
      add(
          num_halves, [](const Storage* p) __attribute__((always_inline)) {
            return _mm512_maskz_broadcast_i32x4(0x0f0f, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
          });
    }
    for (int j = 0; j < 4; ++j) straight[j] += _mm512_shuffle_f32x4(crossed[j], crossed[j], 0xb1);
    store(scores, sum_quarters(straight) * factor);
  }

  /// Of four vectors: element i of a lane of the result is the sum of x[i]'s lane.
  static __m512 sum_quarters(const __m512* x) {
    const __m512 a = _mm512_unpacklo_ps(x[0], x[1]) + _mm512_unpackhi_ps(x[0], x[1]);
    const __m512 b = _mm512_unpacklo_ps(x[2], x[3]) + _mm512_unpackhi_ps(x[2], x[3]);
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))) +
           _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }

  static __m512i lanes_of(const int (&x)[kLaneRows]) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                                    _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
  }

  /// A step of the online softmax for four rows. Returns what their sums shrink by, four alike for each row.
  template <bool kIsMasked>
  __m512 weigh(const RowGroup& rows, int first_octet, int end_octet, const int (&begins)[kLaneRows],
               const int (&ends)[kLaneRows]) {
    __m512 tile_max = _mm512_set1_ps(-kInfinity);
    const __m512i begin = lanes_of(begins);
    const __m512i end = lanes_of(ends);
    for (int i = first_octet * 2; i < end_octet * 2; ++i) {
      __m512 x = _mm512_load_ps(scratch_.scores + i * 16);
      if constexpr (kIsMasked) {
        const __m512i key = _mm512_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3) + (__m512i)(IntVec{} + i * 4);
        const __mmask16 is_seen = _mm512_cmpge_epi32_mask(key, begin) & _mm512_cmplt_epi32_mask(key, end);
        x = _mm512_mask_blend_ps(is_seen, _mm512_set1_ps(-kInfinity), x);
        _mm512_store_ps(scratch_.scores + i * 16, x);
      }
      tile_max = _mm512_max_ps(tile_max, x);
    }
    tile_max = _mm512_max_ps(tile_max, _mm512_permute_ps(tile_max, 0xb1));
    tile_max = _mm512_max_ps(tile_max, _mm512_permute_ps(tile_max, 0x4e));
    const __m512 old_max = _mm512_load_ps(rows.max);
    const __m512 new_max = _mm512_max_ps(tile_max, old_max);
    // A row that has seen no key yet has no maximum; any finite base makes its weights 0.
    const __mmask16 has_max = _mm512_cmp_ps_mask(new_max, _mm512_set1_ps(-kInfinity), _CMP_NEQ_UQ);
    const __m512 base = _mm512_maskz_mov_ps(has_max, new_max);
    const __m512 shrink = exp2(old_max - base);
    __m512 sum = _mm512_load_ps(rows.sum) * shrink;
    for (int i = first_octet * 2; i < end_octet * 2; ++i) {
      sum += Stream::store_weights(weights_ + i * Stream::kWeightBytes,
                                   Stream::exp2(_mm512_load_ps(scratch_.scores + i * 16) - base));
    }
    _mm512_store_ps(rows.max, new_max);
    _mm512_store_ps(rows.sum, sum);
    return shrink;
  }

  /// sums = sums * shrink + weights . values, for the columns of kLines lines of V's rows.
  template <int kLines>
  void sum_values(float* sums, const float* shrinks, const Tile& tile, int head, int first_octet, int end_octet, int column,
                  uint32_t mask, const Prefetcher& ahead) {
    const Storage* values = values_of(block_, head);
    constexpr int kVectors = kLines * Stream::kLineVectors;
    __m512 acc[kLaneRows][Stream::kMaxLines * Stream::kLineVectors];
    for (int r = 0; r < kLaneRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = _mm512_load_ps(sums + r * row_floats() + column + v * 16) * _mm512_set1_ps(shrinks[4 * r]);
      }
    }
    for (int octet = first_octet; octet < end_octet; ++octet) {
      const char* weights = weights_ + octet * 2 * Stream::kWeightBytes;
      with_rows(values, tile, octet, [&](const auto& rows) {
        Stream::template add_values<kLines>(acc, weights, rows, column, mask, ahead, kKeys / kOctet + octet);
      });
    }
    for (int r = 0; r < kLaneRows; ++r) {
      for (int v = 0; v < kVectors; ++v) _mm512_store_ps(sums + r * row_floats() + column + v * 16, acc[r][v]);
    }
  }

  const AttentionBlock& block_;
  BlockScratch& scratch_;
  const int groups_;  // of four rows, of one head
  char* weights_;
  /// Past the last key that a row sees. Rows past the block's last are treated like it: nobody reads them.
  int seen_end_[kMinPackedRows];
};

}  // namespace
}  // namespace sgl::cpu

#endif
