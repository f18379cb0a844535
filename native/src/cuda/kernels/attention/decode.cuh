#pragma once

#include "cuda/kernels/attention/merge.cuh"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/ptx/load.cuh"

// Attention of few query rows over many keys: a KV head's query rows (one token's query heads, or a few tokens') are one mma
// tile of 16 rows. Bound by memory: every key and value is read once.
//
// Schedule. The keys of all requests and KV heads are one sequence of units of 64 keys, cut into equal stretches for the
// blocks, so all processors are busy to the end whatever the lengths are. A block's four warps take tiles of 16
// keys in turn. Each warp runs its own ring of kNumStages tiles (cp.async, 16 bytes a lane, page numbers one tile ahead)
// without a barrier between warps, and the ring runs on over the ends of items. At the end of an item the warps' sums are added
// in shared memory; an item that a block's stretch cuts is added up from its parts (merge.cuh).
//
// Measured on one H100 80GB HBM3, 32/8 heads of 128, pages of 16, against a copy's 2990 GB/s: 2803 GB/s for 256 requests of 1k
// keys (94 %), 2716 for 32 of 1k (91 %), 2730 for one of 128k (91 %), 2377 for one of 32k, and 8.5 us for one of 1k. cuDNN in
// the same run as an earlier 2919 GB/s at 256 requests had 3118, and 7.3 us for one of 1k. The look ahead of the wait gained 1
// to 5 % in a row of attentions alone. Tried and lost: three stages (2 us more a launch), stretches of falling length taken
// from a counter (more parts to add up, no better balance), prefetch hints of 256 bytes (no change).

namespace sgl::cuda {

template <int kDim_, int kNumWarps_, int kNumStages_>
struct DecodeConfig {
  static constexpr int kDim = kDim_;
  static constexpr int kNumWarps = kNumWarps_;
  static constexpr int kNumStages = kNumStages_;
  static constexpr int kThreads = kNumWarps * kWarpSize;
  static constexpr int kTeamThreads = kThreads;
  using Team = WholeBlock;
  static constexpr int kTileKeys = 16;
  static constexpr int kTileBytes = kTileKeys * kRowBytes<kDim>;  // of keys, or of values
  static constexpr int kStageBytes = 2 * kTileBytes;
  /// Of each warp.
  static constexpr int kTilesPrefetched = 2;
  /// Rows that the warps add up at a time.
  static constexpr int kExchangeRows = 4;
  static constexpr int kExchangeStride = kDim + 8;  // spreads the rows over banks
  static constexpr int kExchangeFloats = kNumWarps * (kExchangeRows * kExchangeStride + 2 * kDecodeRows);
  static constexpr int kSharedBytes = kNumWarps * kNumStages * kStageBytes + kExchangeFloats * 4 + 16;
  static_assert(kUnitKeys % (kTileKeys * kNumWarps) == 0, "a unit is whole tiles of every warp");
  static_assert(kDim % 16 == 0, "mma takes 16 dims at a time");
};

/// The part of an item that lies in a stretch, and the way to the next.
class DecodePieces {
 public:
  __device__ DecodePieces(const DecodeStretch& stretch, int index, const DecodeRequest* requests, int num_kv_heads)
      : requests_(requests),
        num_kv_heads_(num_kv_heads),
        stretch_(index),
        head_first_(stretch.head_first),
        head_parts_(stretch.head_parts),
        tail_parts_(stretch.tail_parts),
        unit_(stretch.unit_begin),
        end_(stretch.unit_end),
        request_index_(stretch.request_index),
        request_(stretch.request) {
    locate();
  }

  __device__ bool is_done() const { return unit_ >= end_; }

  __device__ void next() {
    unit_ += count_;
    if (is_done()) return;
    if (unit_ >= request_.first_unit + request_.num_units * num_kv_heads_) request_ = requests_[++request_index_];
    locate();
  }

  __device__ const DecodeRequest& request() const { return request_; }
  __device__ int kv_head() const { return kv_head_; }
  __device__ int key_begin() const { return request_.key_begin + unit_in_item_ * kUnitKeys; }
  __device__ int key_end() const { return min(request_.kv_length, key_begin() + count_ * kUnitKeys); }

  /// The stretch that the item begins in.
  __device__ int first_stretch() const { return unit_in_item_ > 0 ? head_first_ : stretch_; }
  __device__ int num_parts() const {
    if (unit_in_item_ > 0) return head_parts_;
    return count_ < request_.num_units ? tail_parts_ : 1;
  }
  /// Which of the item's parts this is.
  __device__ int part() const { return stretch_ - first_stretch(); }
  /// Place of the item's i-th part: a stretch may begin with a later part of one item and end with the first of another.
  __device__ int partial_of(int i) const { return 2 * (first_stretch() + i) + (i == 0 ? 1 : 0); }

 private:
  __device__ void locate() {
    const int unit_in_request = unit_ - request_.first_unit;
    kv_head_ = unit_in_request / request_.num_units;
    unit_in_item_ = unit_in_request % request_.num_units;
    count_ = min(request_.num_units - unit_in_item_, end_ - unit_);
  }

  const DecodeRequest* requests_;
  int num_kv_heads_;
  int stretch_;
  int head_first_;
  int head_parts_;
  int tail_parts_;
  int unit_;
  int end_;
  int request_index_;
  DecodeRequest request_;
  int kv_head_;
  int unit_in_item_;
  int count_;
};

/// A warp's ring of tiles in shared memory, filled ahead of use. What the work before may still write is not read until that
/// has finished; where its tiles are is known before, and the first ones come to the second-level cache meanwhile.
template <class Config>
class DecodeRing {
 public:
  __device__ DecodeRing(const AttentionParams& params, const int32_t* pages, const DecodePieces& pieces, uint32_t ring)
      : params_(params), pages_(pages), pieces_(pieces), ring_(ring) {
    if (!pieces_.is_done()) key_ = pieces_.key_begin() + first_tile();
    look_up();
    prefetch();
    ptx::wait_for_predecessor();
#pragma unroll
    for (int stage = 0; stage < Config::kNumStages - 1; ++stage) fill();
  }

  /// The next tile of keys, its values kTileBytes after. Valid until the next call.
  __device__ uint32_t advance() {
    ptx::cp_async_wait<Config::kNumStages - 2>();
    __syncwarp();  // the lanes' copies are visible to all, and all have read the tile that is overwritten next
    fill();
    const uint32_t tile = ring_ + read_stage_ * Config::kStageBytes;
    read_stage_ = read_stage_ + 1 == Config::kNumStages ? 0 : read_stage_ + 1;
    return tile;
  }

 private:
  __device__ void prefetch() const {
    DecodeRing ahead = *this;
    for (int i = 0; i < Config::kTilesPrefetched && !ahead.pieces_.is_done(); ++i) {
      const int lane = threadIdx.x % kWarpSize, row_in_page = ahead.key_ % params_.page_size;
      const bool is_whole =
          row_in_page + Config::kTileKeys <= params_.page_size && ahead.key_ + Config::kTileKeys <= ahead.pieces_.key_end();
      if (ahead.page_ >= 0 && (!is_whole || lane % Config::kTileKeys == 0)) {
        const int row_in_tile = lane % Config::kTileKeys;
        const int row =
            cache_row(params_, ahead.page_, ahead.pieces_.kv_head(), (ahead.key_ + row_in_tile) % params_.page_size);
        const void* cache = lane < Config::kTileKeys ? params_.k_cache : params_.v_cache;
        ptx::prefetch_to_l2(static_cast<const bf16*>(cache) + int64_t{row} * params_.head_dim,
                            (is_whole ? Config::kTileKeys : 1) * params_.head_dim * 2);
      }
      ahead.key_ += Config::kNumWarps * Config::kTileKeys;
      ahead.look_up();
    }
  }

  static __device__ int first_tile() { return threadIdx.x / kWarpSize * Config::kTileKeys; }

  /// Finds the tile after the last, and loads its lanes' page numbers, which the next `fill` needs.
  __device__ void look_up() {
    while (!pieces_.is_done() && key_ >= pieces_.key_end()) {
      pieces_.next();
      if (!pieces_.is_done()) key_ = pieces_.key_begin() + first_tile();
    }
    page_ = -1;
    if (pieces_.is_done()) return;
    const int key = key_ + threadIdx.x % Config::kTileKeys;
    if (key < pieces_.key_end()) page_ = pages_[pieces_.request().page_start + key / params_.page_size];
  }

  __device__ void fill() {
    if (!pieces_.is_done()) {
      const int key = key_ + threadIdx.x % Config::kTileKeys;
      const int row = page_ < 0 ? -1 : cache_row(params_, page_, pieces_.kv_head(), key % params_.page_size);
      const uint32_t tile = ring_ + fill_stage_ * Config::kStageBytes;
      fetch_rows<Config::kDim, Config::kTileKeys>(tile, tile + Config::kTileBytes, params_, row);
      fill_stage_ = fill_stage_ + 1 == Config::kNumStages ? 0 : fill_stage_ + 1;
      key_ += Config::kNumWarps * Config::kTileKeys;
      look_up();
    }
    ptx::cp_async_commit();  // an empty group keeps the count that `advance` waits by
  }

  const AttentionParams& params_;
  const int32_t* pages_;
  DecodePieces pieces_;
  uint32_t ring_;
  int fill_stage_ = 0;
  int read_stage_ = 0;
  int key_ = 0;
  int page_ = -1;
};

/// Query rows as the left operand of mma; rows past the last and dims past head_dim are 0.
template <int kDim>
__device__ __forceinline__ void load_queries(uint32_t (&queries)[kDim / 16][4], const AttentionParams& params,
                                             const DecodePieces& piece, int num_rows) {
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = lane / 4 + half * 8;
    const int64_t token = piece.request().first_token + row / params.group;
    const int64_t head = int64_t{piece.kv_head()} * params.group + row % params.group;
    const bf16* source =
        static_cast<const bf16*>(params.q) + token * params.q_stride[0] + head * params.q_stride[1] + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kDim / 8; ++i) {
      uint32_t pair = 0;
      if (row < num_rows && i * 8 < params.head_dim) {
        if (params.q_by_two) {
          pair = *reinterpret_cast<const uint32_t*>(source + i * 8);
        } else {
          pair = pack_bf16(to_float(source[i * 8]), to_float(source[i * 8 + 1]));
        }
      }
      queries[i / 2][i % 2 * 2 + half] = pair;
    }
  }
}

/// Of the query rows lane / 4 and lane / 4 + 8; rows past the last are at its position.
__device__ __forceinline__ void load_positions(int (&position)[2], const AttentionParams& params, const DecodePieces& piece,
                                               int num_rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = min(static_cast<int>(threadIdx.x) % kWarpSize / 4 + half * 8, num_rows - 1);
    position[half] = piece.request().kv_length - piece.request().num_tokens + row / params.group;
  }
}

/// 16 query rows against 16 keys in shared memory.
template <int kDim>
__device__ __forceinline__ void attend_tile(RowTile<kDim / 8>& rows, const uint32_t (&queries)[kDim / 16][4], uint32_t k_tile,
                                            uint32_t v_tile, const AttentionParams& params, int first_key, int key_end,
                                            const int (&position)[2]) {
  const int lane = threadIdx.x % kWarpSize;
  float scores[2][4] = {};
#pragma unroll
  for (int i = 0; i < kDim / 16; ++i) {
    uint32_t keys[4];
    ptx::load_matrices(keys, k_tile + key_offset<kDim>(lane) + i * 32);
    const uint32_t(&q)[4] = queries[i];
    ptx::mma_bf16(scores[0], q[0], q[1], q[2], q[3], keys[0], keys[1]);
    ptx::mma_bf16(scores[1], q[0], q[1], q[2], q[3], keys[2], keys[3]);
  }
  rows.rescale(rows.weigh(scores, params, first_key, key_end, position));
  uint32_t weights[4];
  pack_weights(weights, scores[0], scores[1]);
#pragma unroll
  for (int i = 0; i < kDim / 16; ++i) {
    uint32_t values[4];
    ptx::load_matrices_transposed(values, v_tile + row_offset<kDim>(lane) + i * 32);
    ptx::mma_bf16(rows.out[2 * i], weights[0], weights[1], weights[2], weights[3], values[0], values[1]);
    ptx::mma_bf16(rows.out[2 * i + 1], weights[0], weights[1], weights[2], weights[3], values[2], values[3]);
  }
}

/// Where the warps of a block add up an item.
template <class Config>
struct DecodeExchange {
  float rows[Config::kNumWarps][Config::kExchangeRows][Config::kExchangeStride];
  float2 statistics[Config::kNumWarps][kDecodeRows];  // maximum and sum of a warp's keys
  int is_last;

  /// Maximum and sum of a row over all warps.
  __device__ float2 combined(int row) const {
    float maximum = -INFINITY;
#pragma unroll
    for (int warp = 0; warp < Config::kNumWarps; ++warp) maximum = fmaxf(maximum, statistics[warp][row].x);
    float sum = 0;
#pragma unroll
    for (int warp = 0; warp < Config::kNumWarps; ++warp) {
      sum += statistics[warp][row].y * rescale_factor(statistics[warp][row].x, maximum);
    }
    return {maximum, sum};
  }
};

/// Stores the item, or this block's part of it and, after the last part, the item.
template <class Config>
__device__ void finish_item(const AttentionParams& params, const DecodePieces& piece, RowTile<Config::kDim / 8>& rows,
                            int num_rows, DecodeExchange<Config>& exchange) {
  constexpr int kDim = Config::kDim;
  const typename Config::Team team;
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int group_row = lane / 4;
  rows.finish();
  team.synchronize();  // all have left the last item's exchange
  if (lane % 4 == 0) {
    exchange.statistics[warp][group_row] = {rows.maximum[0], rows.sum[0]};
    exchange.statistics[warp][group_row + 8] = {rows.maximum[1], rows.sum[1]};
  }
  team.synchronize();
  rows.scale({rescale_factor(rows.maximum[0], exchange.combined(group_row).x),
              rescale_factor(rows.maximum[1], exchange.combined(group_row + 8).x)});

  const int num_parts = piece.num_parts();
  const auto partial = [&](int i) {
    return Partial<kDim, kDecodeRows>{params.partials + int64_t{piece.partial_of(i)} * Partial<kDim, kDecodeRows>::kFloats};
  };
  const auto place = [&](int row) {
    return int2{piece.request().first_token + row / params.group, piece.kv_head() * params.group + row % params.group};
  };
  for (int first_row = 0; first_row < num_rows; first_row += Config::kExchangeRows) {
    if (first_row > 0) team.synchronize();
    const bool is_upper = first_row >= 8;
    if (group_row / Config::kExchangeRows == first_row % 8 / Config::kExchangeRows) {
      float* destination = exchange.rows[warp][group_row % Config::kExchangeRows] + lane % 4 * 2;
#pragma unroll
      for (int tile = 0; tile < kDim / 8; ++tile) {
        *reinterpret_cast<float2*>(destination + tile * 8) = {is_upper ? rows.out[tile][2] : rows.out[tile][0],
                                                              is_upper ? rows.out[tile][3] : rows.out[tile][1]};
      }
    }
    team.synchronize();
    constexpr int kQuads = kDim / 4;
    for (int i = threadIdx.x; i < Config::kExchangeRows * kQuads; i += Config::kTeamThreads) {
      const int row = first_row + i / kQuads, dim = i % kQuads * 4;
      if (row >= num_rows || dim >= params.head_dim) continue;
      float4 sum = {0, 0, 0, 0};
#pragma unroll
      for (int w = 0; w < Config::kNumWarps; ++w) {
        const float4 values = *reinterpret_cast<const float4*>(exchange.rows[w][i / kQuads] + dim);
        sum.x += values.x;
        sum.y += values.y;
        sum.z += values.z;
        sum.w += values.w;
      }
      const float2 statistics = exchange.combined(row);
      if (num_parts > 1) {
        const auto part = partial(piece.part());
        *reinterpret_cast<float4*>(part.row(row) + dim) = sum;
        if (dim == 0) *part.statistics(row) = statistics;
        continue;
      }
      const int2 token_and_head = place(row);
      const float factor = final_factor(params, statistics.x, statistics.y, token_and_head.y);
      bf16* destination = out_row(params, token_and_head.x, token_and_head.y) + dim;
      store_pair(destination, sum.x * factor, sum.y * factor, params.out_by_two);
      store_pair(destination + 2, sum.z * factor, sum.w * factor, params.out_by_two);
    }
  }
  if (num_parts > 1 && finish_part(team, params.num_done + piece.first_stretch(), num_parts, &exchange.is_last)) {
    merge_parts<kDim>(team, params, num_parts, num_rows, partial, place);
  }
}

template <class Config>
__device__ void attend_stretch(const AttentionParams& params, const StepHeader& step, int index, uint32_t warp_ring,
                               DecodeExchange<Config>& exchange) {
  const int warp = threadIdx.x / kWarpSize;
  DecodePieces piece(params.stretches[index], index, step.decode_requests, params.num_kv_heads);
  DecodeRing<Config> ring(params, step.pages, piece, warp_ring);
  RowTile<Config::kDim / 8> rows;
  for (; !piece.is_done(); piece.next()) {
    const int num_rows = piece.request().num_tokens * params.group;
    uint32_t queries[Config::kDim / 16][4];
    load_queries<Config::kDim>(queries, params, piece, num_rows);
    rows.reset();
    int position[2];
    load_positions(position, params, piece, num_rows);
    for (int key = piece.key_begin() + warp * Config::kTileKeys; key < piece.key_end();
         key += Config::kNumWarps * Config::kTileKeys) {
      const uint32_t tile = ring.advance();
      attend_tile<Config::kDim>(rows, queries, tile, tile + Config::kTileBytes, params, key, piece.key_end(), position);
    }
    finish_item<Config>(params, piece, rows, num_rows, exchange);
  }
}

/// A block is a worker: it takes the stretch of its number.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads) decode_kernel(const __grid_constant__ AttentionParams params) {
  extern __shared__ __align__(16) unsigned char shared[];
  constexpr int kRingBytes = Config::kNumStages * Config::kStageBytes;
  static_assert(sizeof(DecodeExchange<Config>) + Config::kNumWarps * kRingBytes <= Config::kSharedBytes, "shared memory");
  auto& exchange = *reinterpret_cast<DecodeExchange<Config>*>(shared + Config::kNumWarps * kRingBytes);
  const uint32_t warp_ring = ptx::shared_address(shared) + threadIdx.x / kWarpSize * kRingBytes;
  ptx::allow_successor();

  // Written by copies, not by kernels, so complete before any kernel after them starts.
  const StepHeader& step = *params.step;
  const int index = blockIdx.x;
  if (index < step.num_stretches) {
    attend_stretch<Config>(params, step, index, warp_ring, exchange);
  } else {
    ptx::wait_for_predecessor();
  }
}

}  // namespace sgl::cuda
