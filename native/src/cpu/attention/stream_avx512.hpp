#pragma once

#include "cpu/attention/attention_kernels.hpp"
#include "cpu/isa/simd.hpp"

#if defined(SGL_ISA_avx512_bf16)

// Few query rows (decode, short chunks) against K and V as they lie in their pages.
//
// Four rows share a vector, one in each 128-bit lane, from the scores to the weights:
//   scores   K is read in halves of a line, [a b a b] in lanes; the queries are packed as [q0a q1b q2a q3b] and [q1a q0b q3a
//   q2b],
//            so that two products cover four rows, and four keys' sums become one vector of 4 rows x 4 keys with 10 shuffles;
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

/// Keys of a tile: 16 KiB of K and V of a head of 64 in bf16, so that two steps are further ahead than the memory's latency.
constexpr int kStreamKeys = 64;
constexpr int kFirstLevelBytes = 32 << 10;
constexpr int kOctet = 8;
constexpr int kLaneRows = 4;
static_assert(kStreamKeys <= kTileKeys && kLaneRows <= kTileRows, "the scratch holds a tile's scores");

/// Where the rows of some keys lie.
struct StreamTile {
  int64_t offsets[kStreamKeys];  // elements, from a head's row 0 of page 0; past the last key, and before the first, another's
  bool is_dense[kStreamKeys / kOctet];  // eight keys whose rows are one piece
  int first_key;                        // a multiple of 8, so up to 7 keys before the block's first
  int num_keys;
};

/// Brings the rows of K and V of two coming steps on their way.
///
/// A core drops requests that it has no room for, so each line gets a second chance a step later. The first asks for it in the
/// second-level cache, which has more misses in flight than the first; so does the second unless the first-level cache holds
/// two steps.
template <class Storage, bool kIsNearInFirstLevel>
class StreamPrefetcher {
 public:
  static constexpr int kPlaces = 4;

  /// K and V of a step's head (row 0 of page 0), and its rows.
  struct Target {
    const Storage* k;
    const Storage* v;
    const int64_t* offsets;
  };

  StreamPrefetcher(const Target& near, const Target& far) : near_(near), far_(far) {}

  /// One line of K and one of V of a row of both: the `step`th, of kStreamKeys / kPlaces, in one of four places, so that
  /// callers who go through the places walk four pieces of memory at a time.
  void line(int step, int place, int line) const {
    const int row = place * (kStreamKeys / kPlaces) + step;
    const int64_t near = near_.offsets[row] + line * kLineElements;
    const int64_t far = far_.offsets[row] + line * kLineElements;
    request<kIsNearInFirstLevel>(near_.k + near);
    request<kIsNearInFirstLevel>(near_.v + near);
    request<false>(far_.k + far);
    request<false>(far_.v + far);
  }

 private:
  static constexpr int kLineElements = 64 / static_cast<int>(sizeof(Storage));

  // NOTE: GCC drops calls of functions that do nothing but __builtin_prefetch, taking them for pure.
  template <bool kIsInFirstLevel>
  static void request(const Storage* line) {
    if constexpr (kIsInFirstLevel) {
      asm volatile("prefetcht0 %0" : : "m"(*line));
    } else {
      asm volatile("prefetcht1 %0" : : "m"(*line));
    }
  }

  const Target near_;
  const Target far_;
};

/// Units of 4 bytes: a pair of bf16, or a float.
struct Bf16Stream {
  using Storage = uint16_t;
  static constexpr int kLineVectors = 2;   // sums that a line of V adds to
  static constexpr int kMaxLines = 2;      // lines of a row of V at a time: 16 accumulators
  static constexpr int kWeightBytes = 32;  // of 4 rows x 4 keys

  static __m512 product(__m512 sum, __m512i a, __m512i b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

  /// 2^x for x <= 0 to 1 part in 13,000, a hundredth of what rounding to bf16 loses; exactly 0 below -126; a NaN stays one.
  static __m512 exp2(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 f = x - whole;
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(5.51716672e-2f), f, _mm512_set1_ps(2.42611122e-1f));  // minimax within +-0.5
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.93260986e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.99928074e-1f));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_NLT_UQ), p, whole);
  }

  /// Returns the weights as stored, so that the sum that divides the result is theirs. None is subnormal, which the conversion
  /// would take for zero.
  static __m512 store_weights(char* weights, __m512 x) {
    const __m256i half = (__m256i)_mm512_cvtneps_pbh(x);
    _mm256_store_si256(reinterpret_cast<__m256i*>(weights), half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }

  /// Adds eight keys. Leaves each 32 columns in the order in which the interleaved pairs of values come.
  template <int kLines, class Rows, class Prefetcher>
  static inline void add_values(__m512 (&sums)[kLaneRows][kMaxLines * kLineVectors], const char* weights, const Rows& rows,
                                int column, uint32_t mask, const Prefetcher& ahead, int step) {
#pragma GCC unroll 4
    for (int pair = 0; pair < kOctet / 2; ++pair) {
      const auto* pair_weights = reinterpret_cast<const int*>(weights + pair / 2 * kWeightBytes) + pair % 2;
      __m512i weight[kLaneRows];
      for (int r = 0; r < kLaneRows; ++r) weight[r] = _mm512_set1_epi32(pair_weights[2 * r]);
      for (int line = 0; line < kLines; ++line) {
        ahead.line(step, pair, column / 32 + line);
        const __m512i even = load_line(rows[2 * pair] + column + line * 32, mask);
        const __m512i odd = load_line(rows[2 * pair + 1] + column + line * 32, mask);
        const __m512i low = _mm512_unpacklo_epi16(even, odd);
        const __m512i high = _mm512_unpackhi_epi16(even, odd);
        for (int r = 0; r < kLaneRows; ++r) {
          sums[r][2 * line] = product(sums[r][2 * line], weight[r], low);
          sums[r][2 * line + 1] = product(sums[r][2 * line + 1], weight[r], high);
        }
      }
    }
  }

  static uint32_t mask_of(int num_columns) { return num_columns >= 32 ? ~0u : (1u << num_columns) - 1; }

  static void order_columns(float* row, int head_dim) {
    for (int d = 0; d < head_dim; d += 32) {
      const __m512i low = _mm512_load_si512(row + d);
      const __m512i high = _mm512_load_si512(row + d + 16);
      _mm512_store_si512(row + d, _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high));
      _mm512_store_si512(row + d + 16, _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high));
    }
  }

 private:
  static __m512i load_line(const uint16_t* p, uint32_t mask) {
    return mask == ~0u ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16(mask, p);
  }
};

struct F32Stream {
  using Storage = float;
  static constexpr int kLineVectors = 1;
  static constexpr int kMaxLines = 4;
  static constexpr int kWeightBytes = 64;

  static __m512 product(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }

  static __m512 exp2(__m512 x) { return cpu::exp2(x); }

  static __m512 store_weights(char* weights, __m512 x) {
    _mm512_store_ps(weights, x);
    return x;
  }

  template <int kLines, class Rows, class Prefetcher>
  static inline void add_values(__m512 (&sums)[kLaneRows][kMaxLines * kLineVectors], const char* weights, const Rows& rows,
                                int column, uint32_t mask, const Prefetcher& ahead, int step) {
#pragma GCC unroll 8
    for (int key = 0; key < kOctet; ++key) {
      const float* key_weights = reinterpret_cast<const float*>(weights + key / 4 * kWeightBytes) + key % 4;
      __m512 weight[kLaneRows];
      for (int r = 0; r < kLaneRows; ++r) weight[r] = _mm512_set1_ps(key_weights[4 * r]);
      for (int line = 0; line < kLines; ++line) {
        if (key % 2 == 0) ahead.line(step, key / 2, column / 16 + line);
        const float* p = rows[key] + column + line * 16;
        const __m512 value = mask == ~0u ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
        for (int r = 0; r < kLaneRows; ++r) sums[r][line] = _mm512_fmadd_ps(weight[r], value, sums[r][line]);
      }
    }
  }

  static uint32_t mask_of(int num_columns) { return num_columns >= 16 ? ~0u : (1u << num_columns) - 1; }

  static void order_columns(float*, int) {}
};

template <class Storage>
struct LaneStreamOf;
template <>
struct LaneStreamOf<uint16_t> {
  using Type = Bf16Stream;
};
template <>
struct LaneStreamOf<float> {
  using Type = F32Stream;
};
template <class Storage>
using LaneStream = typename LaneStreamOf<Storage>::Type;

/// The rows of eight keys that are one piece.
template <class Storage>
struct DenseRows {
  const Storage* operator[](int key) const { return first + key * head_dim; }
  const Storage* first;
  int head_dim;
};

/// The rows of any eight keys.
template <class Storage>
struct LooseRows {
  const Storage* operator[](int key) const { return rows[key]; }
  const Storage* rows[kOctet];
};

/// Walks a block's keys through its pages, a tile at a time.
class StreamCursor {
 public:
  explicit StreamCursor(const AttentionBlock& block) { reset(block); }

  void reset(const AttentionBlock& block) {
    block_ = &block;
    key_ = block.key_begin / kOctet * kOctet;
    page_ = block.key_begin / block.page_size;
    row_ = block.key_begin % block.page_size;
  }

  /// False when no key is left.
  bool next(StreamTile& tile) {
    const int left = block_->key_end - key_;
    if (left <= 0) return false;
    tile.first_key = key_;
    tile.num_keys = left < kStreamKeys ? left : kStreamKeys;
    int i = key_ < block_->key_begin ? block_->key_begin - key_ : 0;
    const int before = i;
    while (i < tile.num_keys) {
      const int64_t offset = block_->pages[page_] * block_->page_stride + static_cast<int64_t>(row_) * block_->head_dim;
      const int run = tile.num_keys - i < block_->page_size - row_ ? tile.num_keys - i : block_->page_size - row_;
      for (int j = 0; j < run; ++j) tile.offsets[i + j] = offset + static_cast<int64_t>(j) * block_->head_dim;
      i += run;
      row_ += run;
      if (row_ == block_->page_size) {
        row_ = 0;
        ++page_;
      }
    }
    for (int j = 0; j < before; ++j) tile.offsets[j] = tile.offsets[before];
    for (int j = i; j < kStreamKeys; ++j) tile.offsets[j] = tile.offsets[i - 1];
    for (int octet = 0; octet < kStreamKeys / kOctet; ++octet) {
      tile.is_dense[octet] =
          block_->page_size % kOctet == 0 && octet * kOctet >= before && (octet + 1) * kOctet <= tile.num_keys;
    }
    key_ += kStreamKeys;
    return true;
  }

 private:
  const AttentionBlock* block_;
  int key_;
  int page_;
  int row_;
};

/// The tiles of a block, then those of the block that its worker is given next.
class StreamQueue {
 public:
  struct Entry {
    StreamTile tile;
    const AttentionBlock* block;  // null: there is none
  };

  explicit StreamQueue(const AttentionBlock& block) : block_(block), cursor_(block), following_cursor_(block) {}

  void next(Entry& entry) {
    entry.block = &block_;
    if (cursor_.next(entry.tile)) return;
    if (!has_asked_) {
      has_asked_ = true;
      has_following_ = block_.follow != nullptr && block_.follow(block_.follower, following_);
      if (has_following_) following_cursor_.reset(following_);
    }
    entry.block = has_following_ && following_cursor_.next(entry.tile) ? &following_ : nullptr;
  }

 private:
  const AttentionBlock& block_;
  StreamCursor cursor_;
  StreamCursor following_cursor_;
  AttentionBlock following_;
  bool has_asked_ = false;
  bool has_following_ = false;
};

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
    StreamQueue queue(block_);
    StreamQueue::Entry entries[kEntries];
    for (StreamQueue::Entry& entry : entries) queue.next(entry);
    for (int i = 0; entries[i % kEntries].block == &block_; ++i) {
      StreamQueue::Entry& current = entries[i % kEntries];
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
  static constexpr int kStepBytes = 2 * kStreamKeys * kHeadDim * static_cast<int>(sizeof(Storage));
  using Prefetcher = StreamPrefetcher<Storage, (kHeadDim > 0 && 2 * kStepBytes <= kFirstLevelBytes)>;

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

  static Step after(const StreamQueue::Entry (&entries)[kEntries], Step step) {
    const AttentionBlock* block = entries[step.entry % kEntries].block;
    if (block == nullptr) return step;
    return step.head + 1 < block->num_heads ? Step{step.entry, step.head + 1} : Step{step.entry + 1, 0};
  }

  static typename Prefetcher::Target target(const StreamQueue::Entry& entry, int head) {
    return {keys_of(*entry.block, head), values_of(*entry.block, head), entry.tile.offsets};
  }

  /// `otherwise` past the queue's end.
  static typename Prefetcher::Target target(const StreamQueue::Entry (&entries)[kEntries], Step step,
                                            const typename Prefetcher::Target& otherwise) {
    const StreamQueue::Entry& entry = entries[step.entry % kEntries];
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

  void attend(const StreamTile& tile, int head, int group, const Prefetcher& ahead) {
    int begins[kLaneRows], ends[kLaneRows];
    int first = kStreamKeys, last = 0;
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
  inline void with_rows(const Storage* cache, const StreamTile& tile, int octet, const Use& use) const {
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
  void score(const uint32_t* queries, const StreamTile& tile, int head, int first_octet, int end_octet,
             const Prefetcher& ahead) {
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
  void sum_values(float* sums, const float* shrinks, const StreamTile& tile, int head, int first_octet, int end_octet,
                  int column, uint32_t mask, const Prefetcher& ahead) {
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
        Stream::template add_values<kLines>(acc, weights, rows, column, mask, ahead, kStreamKeys / kOctet + octet);
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
