#pragma once

#include "cuda/kernels/attention/decode.cuh"
#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/ptx/tma.cuh"
#include "cuda/tile/tile_ring.cuh"

// `decode_kernel` for many requests on Hopper. Bound by memory: every key and value is read once.
//
// Schedule. Stretches, items and parts are those of decode.cuh, with two blocks an SM. A producer warp has tiles of 16 keys and
// their values copied by the copy engine into a ring, half of the SM's shared memory, as far ahead as stages are free, over
// the ends of items too: what is under way does not shrink while the other warps add up an item. These take a tile each in
// turn. Before the wait on the work before, tiles of earlier steps come into the ring.
//
// Measured on one H100 80GB HBM3, 32/8 heads of 128, shuffled pages of 16, against a copy's 2993 GB/s: 2952 GB/s for 256
// requests of 1k keys (98.7 %), 2945 for 128, 2867 for 64, 2872 for 32; `decode_kernel` in the same run 2787, 2749, 2761 and
// 2731. One block an SM with twice the stages is up to 3 % slower, eight warps instead of four change nothing.

namespace sgl::cuda {

template <int kDim_, int kNumWarps_, int kNumStages_>
struct DecodeSm90Config {
  static constexpr int kDim = kDim_;
  /// That attend; the producer's comes after them.
  static constexpr int kNumWarps = kNumWarps_;
  static constexpr int kNumStages = kNumStages_;
  static constexpr int kTeamThreads = kNumWarps * kWarpSize;
  static constexpr int kThreads = kTeamThreads + kWarpSize;
  static constexpr int kTileKeys = kDecodeTileKeys;
  static constexpr int kEightRowsBytes = kDim * 16;
  static constexpr int kTileBytes = kTileKeys / 8 * kEightRowsBytes;  // of keys, or of values
  static constexpr int kStageBytes = 2 * kTileBytes;
  static constexpr int kRingBytes = kNumStages * kStageBytes;
  static constexpr int kBarrierBytes = (2 * kNumStages * 8 + 15) / 16 * 16;
  /// Rows that the warps add up at a time.
  static constexpr int kExchangeRows = 4;
  static constexpr int kExchangeStride = kDim + 8;  // spreads the rows over banks
  static constexpr int kExchangeFloats = kNumWarps * (kExchangeRows * kExchangeStride + 2 * kDecodeRows);
  using Team = PartOfBlock<kTeamThreads>;
  static constexpr int kSharedBytes = kRingBytes + kBarrierBytes + kExchangeFloats * 4 + 16 + 1024;  // aligned by hand
  static_assert(kDim % 64 == 0, "tiles are 64 columns wide");
  static_assert(kNumStages < kWarpSize, "a lane looks at each tile of the first round");
  static_assert(kNumStages % kNumWarps == 0,
                "of an item a stage is one warp's, which waits for no tile before all that were in its stage before have come");
};

/// The way of a stretch's tiles, 32 at a time, a lane each. What is read of memory is not used before `eight_rows`.
template <class Config>
class DecodeTileGroups {
 public:
  __device__ DecodeTileGroups(const AttentionParams& params, const int32_t* pages, const DecodePieces& pieces)
      : params_(params), pages_(pages), pieces_(pieces) {
    if (!pieces_.is_done()) key_ = pieces_.key_begin();
  }

  struct Group {
    int num_tiles = 0;                 // 0 past the end
    bool is_of_earlier_steps = false;  // the lane's tile, all of it
    int kv_head;
    int row_in_page;  // of the lane's tile
    int page;

    /// Of the lane's tile, its place in the caches.
    __device__ int eight_rows(const AttentionParams& params) const { return cache_row(params, page, kv_head, row_in_page) / 8; }
  };

  __device__ Group next() {
    Group group;
    if (pieces_.is_done()) return group;
    const int lane_key = key_ + threadIdx.x % kWarpSize * Config::kTileKeys, key_end = pieces_.key_end();
    group.num_tiles = min(kWarpSize, (key_end - key_ + Config::kTileKeys - 1) / Config::kTileKeys);
    group.is_of_earlier_steps =
        lane_key + Config::kTileKeys <= min(key_end, pieces_.request().kv_length - pieces_.request().num_tokens);
    group.kv_head = pieces_.kv_head();
    group.row_in_page = lane_key % params_.page_size;
    group.page = lane_key < key_end ? pages_[pieces_.request().page_start + lane_key / params_.page_size] : 0;
    key_ += kWarpSize * Config::kTileKeys;
    if (key_ >= key_end) {
      pieces_.next();
      if (!pieces_.is_done()) key_ = pieces_.key_begin();
    }
    return group;
  }

 private:
  const AttentionParams& params_;
  const int32_t* pages_;
  DecodePieces pieces_;
  int key_ = 0;
};

/// The ring at the stretch's `tile`-th tile.
template <int kNumStages>
__device__ __forceinline__ TileRing<kNumStages> at_tile(TileRing<kNumStages> ring, int tile) {
  ring.stage = tile % kNumStages;
  ring.parity = tile / kNumStages % 2;
  return ring;
}

/// The producer warp.
template <class Config>
__device__ void stream_stretch(const DecodeSm90Params& params, const StepHeader& step, const DecodePieces& pieces,
                               const TileRing<Config::kNumStages>& ring) {
  const AttentionParams& attention = params.attention;
  const int lane = threadIdx.x % kWarpSize;
  DecodeTileGroups<Config> groups(attention, step.pages, pieces);
  auto group = groups.next();
  const uint64_t policy = ptx::evict_first_policy();
  const auto copy = [&](int tile, int eight_rows) {
    const auto stage = at_tile(ring, tile);
    stage.wait_free();
    ptx::mbarrier_arrive_expecting(stage.filled(), Config::kStageBytes);
    ptx::tma_load_rows(stage.tile(), &params.keys, eight_rows, stage.filled(), policy);
    ptx::tma_load_rows(stage.tile() + Config::kTileBytes, &params.values, eight_rows, stage.filled(), policy);
  };
  // The first tiles up to one that the work before may still write to.
  const bool is_early = lane < min(group.num_tiles, Config::kNumStages) && group.is_of_earlier_steps;
  const int num_early = __ffs(~__ballot_sync(0xffffffffu, is_early)) - 1;
  if (lane < num_early) {
    copy(lane, group.eight_rows(attention));
  } else if (lane < min(group.num_tiles, Config::kNumStages)) {
    const int64_t offset = int64_t{group.eight_rows(attention)} * (8 * Config::kDim);
    ptx::prefetch_to_l2(static_cast<const bf16*>(attention.k_cache) + offset, Config::kTileBytes);
    ptx::prefetch_to_l2(static_cast<const bf16*>(attention.v_cache) + offset, Config::kTileBytes);
  }
  __syncwarp();
  ptx::wait_for_predecessor();
  for (int tile = num_early, first = num_early; group.num_tiles > 0; first = 0) {
    const auto next_group = groups.next();
    const int lane_rows = group.eight_rows(attention);
    for (int i = first; i < group.num_tiles; ++i, ++tile) {
      const int eight_rows = __shfl_sync(0xffffffffu, lane_rows, i);
      if (lane == 0) copy(tile, eight_rows);
    }
    __syncwarp();
    group = next_group;
  }
}

/// Which of two neighbouring keys count, as halves of a word.
__device__ __forceinline__ uint32_t mask_of_pair(int key, int key_end) {
  return (key < key_end ? 0xffffu : 0) | (key + 1 < key_end ? 0xffff0000u : 0);
}

/// `attend_tile` for a tile as the copy engine leaves it: 16-byte piece p of row r at place p ^ r % 8 of its 64 columns. Rows
/// from key_end on hold anything.
template <class Config>
__device__ __forceinline__ void attend_swizzled_tile(RowTile<Config::kDim / 8>& rows,
                                                     const uint32_t (&queries)[Config::kDim / 16][4], uint32_t tile,
                                                     const AttentionParams& params, int first_key, int key_end,
                                                     const int (&position)[2]) {
  const int lane = threadIdx.x % kWarpSize, row_in_eight = lane % 8;
  // A lane's row, and its 16-byte piece of the first 16 dims; those of the i-th differ in bits of their own.
  const uint32_t keys_row = tile + lane / 16 * Config::kEightRowsBytes + row_in_eight * 128;
  const uint32_t keys_piece = (lane / 8 % 2 ^ row_in_eight) * 16;
  const uint32_t values_row = tile + Config::kTileBytes + lane / 8 % 2 * Config::kEightRowsBytes + row_in_eight * 128;
  const uint32_t values_piece = (lane / 16 ^ row_in_eight) * 16;
  float scores[2][4] = {};
#pragma unroll
  for (int i = 0; i < Config::kDim / 16; ++i) {
    uint32_t keys[4];
    ptx::load_matrices(keys, keys_row + i / 4 * 1024 + (keys_piece ^ i % 4 * 32));
    const uint32_t(&q)[4] = queries[i];
    ptx::mma_bf16(scores[0], q[0], q[1], q[2], q[3], keys[0], keys[1]);
    ptx::mma_bf16(scores[1], q[0], q[1], q[2], q[3], keys[2], keys[3]);
  }
  rows.rescale(rows.weigh(scores, params, first_key, key_end, position));
  uint32_t weights[4];
  pack_weights(weights, scores[0], scores[1]);
  // What lies behind the last key may not be finite, and its weights of 0 do not hide that.
  const int lane_key = first_key + lane % 4 * 2;
  const uint32_t low_mask = mask_of_pair(lane_key, key_end), high_mask = mask_of_pair(lane_key + 8, key_end);
#pragma unroll
  for (int i = 0; i < Config::kDim / 16; ++i) {
    uint32_t values[4];
    ptx::load_matrices_transposed(values, values_row + i / 4 * 1024 + (values_piece ^ i % 4 * 32));
    ptx::mma_bf16(rows.out[2 * i], weights[0], weights[1], weights[2], weights[3], values[0] & low_mask, values[1] & high_mask);
    ptx::mma_bf16(rows.out[2 * i + 1], weights[0], weights[1], weights[2], weights[3], values[2] & low_mask,
                  values[3] & high_mask);
  }
}

/// The warps that attend.
template <class Config>
__device__ void attend_streamed(const AttentionParams& params, DecodePieces piece, const TileRing<Config::kNumStages>& ring,
                                DecodeExchange<Config>& exchange) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  RowTile<Config::kDim / 8> rows;
  for (int first_tile = 0; !piece.is_done(); piece.next()) {
    const int num_rows = piece.request().num_tokens * params.group;
    uint32_t queries[Config::kDim / 16][4];
    load_queries<Config::kDim>(queries, params, piece, num_rows);
    rows.reset();
    int position[2];
    load_positions(position, params, piece, num_rows);
    const int key_begin = piece.key_begin(), key_end = piece.key_end();
    const int num_tiles = (key_end - key_begin + Config::kTileKeys - 1) / Config::kTileKeys;
    for (int tile = warp; tile < num_tiles; tile += Config::kNumWarps) {
      const auto stage = at_tile(ring, first_tile + tile);
      stage.wait_filled();
      attend_swizzled_tile<Config>(rows, queries, stage.tile(), params, key_begin + tile * Config::kTileKeys, key_end,
                                   position);
      __syncwarp();
      if (lane == 0) ptx::mbarrier_arrive(stage.free());
    }
    first_tile += num_tiles;
    finish_item<Config>(params, piece, rows, num_rows, exchange);
  }
}

/// A block is a worker: it takes the stretch of its number.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 2) decode_sm90_kernel(const __grid_constant__ DecodeSm90Params params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(16) unsigned char shared[];
  static_assert(sizeof(DecodeExchange<Config>) + Config::kRingBytes + Config::kBarrierBytes + 1024 <= Config::kSharedBytes,
                "shared memory");
  const uint32_t base = (ptx::shared_address(shared) + 1023) / 1024 * 1024;
  const TileRing<Config::kNumStages> ring{base, base + Config::kRingBytes, Config::kStageBytes};
  auto& exchange = *reinterpret_cast<DecodeExchange<Config>*>(shared + (base - ptx::shared_address(shared)) +
                                                              Config::kRingBytes + Config::kBarrierBytes);
  ptx::allow_successor();
  const bool is_producer = threadIdx.x >= Config::kTeamThreads;
  if (threadIdx.x == Config::kTeamThreads) {
    ring.initialize(1, 1);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();

  // Written by copies, not by kernels, so complete before any kernel after them starts.
  const StepHeader& step = *params.attention.step;
  const int index = blockIdx.x;
  if (index >= step.num_stretches) {
    ptx::wait_for_predecessor();
    return;
  }
  const DecodePieces pieces(params.attention.stretches[index], index, step.decode_requests, params.attention.num_kv_heads);
  if (is_producer) {
    stream_stretch<Config>(params, step, pieces, ring);
  } else {
    ptx::wait_for_predecessor();
    attend_streamed<Config>(params.attention, pieces, ring, exchange);
  }
#endif
}

template <class Config>
DecodeSm90Kernel decode_sm90_entry() {
  return {decode_sm90_kernel<Config>, Config::kThreads, Config::kSharedBytes};
}

}  // namespace sgl::cuda
