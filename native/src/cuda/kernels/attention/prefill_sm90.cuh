#pragma once

#include "cuda/kernels/attention/prefill.cuh"
#include "cuda/ptx/wgmma.cuh"
#include "cuda/tile/tile_ring.cuh"

// `prefill_kernel` for Hopper (FlashAttention-3, arXiv 2407.08608): products by wgmma, memory and tensor cores in different
// warps.
//
// Schedule. A tile is 128 query rows of a KV head; blocks, one an SM, take tiles in a fixed order that deals the costly ones
// out evenly. Four producer warps gather rows of queries, keys and values (cp.async, so that any page size will do) into rings
// of two stages each, as far ahead as the rings allow, also over the ends of tiles. Two consumer warpgroups have 64 rows each:
// while a warpgroup's softmax of one tile of keys runs, the tensor cores work on its last tile's values and on the other
// warpgroup.
//
// Measured on one H100 80GB HBM3, causal, 32/8 heads of 128, pages of 16, 16k tokens in all: 205 / 277 / 328 / 372 / 398 / 399
// TFLOP/s at lengths of 512 / 1k / 2k / 4k / 8k / 16k, 55 to 71 % of cuDNN's 374 to 599 in the same run. Schedulers issue in
// two of five cycles, so something other than the tensor cores holds the consumers up; the gather by cp.async is the suspect.
// Tried and lost: one stage of queries and three of keys (a tenth to two fifths slower below 8k), turns left out (no change).

namespace sgl::cuda {

template <int kDim_, int kKeys_, int kQueryStages_, int kKeyStages_, int kProducerRegisters_, int kConsumerRegisters_>
struct PrefillSm90Config {
  static constexpr int kDim = kDim_;
  static constexpr int kKeys = kKeys_;
  static constexpr int kRows = 128;
  static constexpr int kQueryStages = kQueryStages_;
  static constexpr int kKeyStages = kKeyStages_;  // of keys, and of values
  static constexpr bool kTakesTurns = true;
  static constexpr int kProducerThreads = 4 * kWarpSize;
  static constexpr int kConsumerThreads = 8 * kWarpSize;
  static constexpr int kThreads = kProducerThreads + kConsumerThreads;
  static constexpr int kProducerRegisters = kProducerRegisters_;
  static constexpr int kConsumerRegisters = kConsumerRegisters_;
  /// Tiles are stored 64 columns after 64 columns.
  static constexpr int kQueryColumnBytes = kRows * 128;
  static constexpr int kKeyColumnBytes = kKeys * 128;
  static constexpr int kQueryBytes = kDim / 64 * kQueryColumnBytes;
  static constexpr int kKeyBytes = kDim / 64 * kKeyColumnBytes;
  static constexpr int kBarriersOffset = kQueryStages * kQueryBytes + 2 * kKeyStages * kKeyBytes;
  static constexpr int kSharedBytes = kBarriersOffset + 256 + 1024;  // the base is aligned to 1024 by hand
  static_assert(kDim % 64 == 0, "tiles are 64 columns wide");
  static_assert(kKeys == 128, "the wrapper of wgmma for scores has 128 columns, and 4 warps fetch 32 rows each");
};

template <class Config>
struct PrefillRings {
  TileRing<Config::kQueryStages> queries;
  TileRing<Config::kKeyStages> keys;
  TileRing<Config::kKeyStages> values;

  __device__ explicit PrefillRings(uint32_t base) {
    queries = {base, base + Config::kBarriersOffset, Config::kQueryBytes};
    keys = {base + Config::kQueryStages * Config::kQueryBytes, queries.barriers_end(), Config::kKeyBytes};
    values = {keys.tiles + Config::kKeyStages * Config::kKeyBytes, keys.barriers_end(), Config::kKeyBytes};
  }

  __device__ void initialize() const {
    queries.initialize(Config::kProducerThreads, Config::kConsumerThreads / kWarpSize);
    keys.initialize(Config::kProducerThreads, Config::kConsumerThreads / kWarpSize);
    values.initialize(Config::kProducerThreads, Config::kConsumerThreads / kWarpSize);
  }
};

/// The tiles of a block, from a list that is sorted by cost: every other round goes through the blocks backwards.
struct DealtItems {
  int num_items;
  int round = 0;
  int item = -1;

  __device__ bool next() {
    const int num_blocks = gridDim.x, block = blockIdx.x;
    item = round * num_blocks + (round % 2 == 0 ? block : num_blocks - 1 - block);
    ++round;
    return item < num_items;
  }
};

/// A producer warp starts copying its 32 rows of a tile. Lane l names the element offset of row l, or -1 for a row of zeros.
template <int kDim>
__device__ __forceinline__ void gather_rows(uint32_t tile, int column_bytes, const bf16* source, int64_t offset_of_lane,
                                            int head_dim) {
  constexpr int kChunks = kDim / 8;
  const int lane = threadIdx.x % kWarpSize, first_row = threadIdx.x / kWarpSize * kWarpSize;
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    const int row = (i * kWarpSize + lane) / kChunks, chunk = (i * kWarpSize + lane) % kChunks;
    const int64_t row_offset = __shfl_sync(0xffffffffu, offset_of_lane, row);
    const bool is_valid = row_offset >= 0 && chunk * 8 < head_dim;
    const int tile_row = first_row + row;
    const uint32_t place = tile + chunk / 8 * column_bytes + tile_row * 128 + ((chunk ^ tile_row) % 8) * 16;
    ptx::cp_async_16(place, source + (is_valid ? row_offset + chunk * 8 : 0), is_valid);
  }
}

template <class Config>
__device__ void produce(const AttentionParams& params, const StepHeader& step, PrefillRings<Config> rings) {
  constexpr int kDim = Config::kDim;
  const int thread = threadIdx.x;
  for (DealtItems items{step.num_prefill_tiles * params.num_kv_heads}; items.next();) {
    const PrefillTile& tile = step.prefill_tiles[items.item / params.num_kv_heads];
    const int kv_head = items.item % params.num_kv_heads, key_end = tile.key_end;
    const int32_t* pages = step.pages + tile.page_start;

    int64_t query_offset = -1;
    if (thread < tile.num_rows) {
      const int row = tile.row_begin + thread;
      query_offset = (tile.first_token + row / params.group) * params.q_stride[0] +
                     (int64_t{kv_head} * params.group + row % params.group) * params.q_stride[1];
    }
    rings.queries.wait_free();
    gather_rows<kDim>(rings.queries.tile(), Config::kQueryColumnBytes, static_cast<const bf16*>(params.q), query_offset,
                      params.head_dim);
    ptx::mbarrier_arrive_after_copies(rings.queries.filled());
    rings.queries.next();

    const auto offset_of = [&](int first_key) -> int64_t {
      const int key = first_key + thread;
      if (key >= key_end) return -1;
      return int64_t{cache_row(params, pages[key / params.page_size], kv_head, key % params.page_size)} * params.head_dim;
    };
    // Keys run one tile ahead of values, in the order of use.
    int64_t values_offset = -1;
    for (int key = tile.key_begin; key < key_end + Config::kKeys; key += Config::kKeys) {
      int64_t keys_offset = -1;
      if (key < key_end) {
        keys_offset = offset_of(key);
        rings.keys.wait_free();
        gather_rows<kDim>(rings.keys.tile(), Config::kKeyColumnBytes, static_cast<const bf16*>(params.k_cache), keys_offset,
                          params.head_dim);
        ptx::mbarrier_arrive_after_copies(rings.keys.filled());
        rings.keys.next();
      }
      if (key > tile.key_begin) {
        rings.values.wait_free();
        gather_rows<kDim>(rings.values.tile(), Config::kKeyColumnBytes, static_cast<const bf16*>(params.v_cache), values_offset,
                          params.head_dim);
        ptx::mbarrier_arrive_after_copies(rings.values.filled());
        rings.values.next();
      }
      values_offset = keys_offset;
    }
  }
}

/// Waits for a tile that threads have copied, which products do not see without the fence.
template <class Ring>
__device__ __forceinline__ void wait_copied(const Ring& ring) {
  ring.wait_filled();
  ptx::fence_async_proxy();
}

/// Starts scores = queries keys^T of a warpgroup.
template <class Config>
__device__ __forceinline__ void start_scores(float (&scores)[Config::kKeys / 8][4], uint32_t query_rows, uint32_t key_tile) {
#pragma unroll
  for (int i = 0; i < Config::kDim / 16; ++i) {
    const uint32_t column = i / 4, offset = i % 4 * 32;
    ptx::wgmma(scores, ptx::WgmmaTile::row_major(query_rows + column * Config::kQueryColumnBytes + offset),
               ptx::WgmmaTile::row_major(key_tile + column * Config::kKeyColumnBytes + offset), i > 0);
  }
  ptx::wgmma_commit();
}

/// Starts out += weights values of a warpgroup.
template <class Config>
__device__ __forceinline__ void start_values(float (&out)[Config::kDim / 8][4],
                                             const uint32_t (&weights)[Config::kKeys / 16][4], uint32_t value_tile) {
#pragma unroll
  for (int i = 0; i < Config::kKeys / 16; ++i) {
    ptx::wgmma_transposed(out, weights[i], ptx::WgmmaTile::transposed(value_tile + i * 16 * 128, Config::kKeyColumnBytes));
  }
  ptx::wgmma_commit();
}

/// Weights of a tile of keys as the left operand of the product with its values.
template <class Config>
__device__ __forceinline__ void pack_tile(uint32_t (&weights)[Config::kKeys / 16][4],
                                          const float (&scores)[Config::kKeys / 8][4]) {
#pragma unroll
  for (int i = 0; i < Config::kKeys / 16; ++i) pack_weights(weights[i], scores[2 * i], scores[2 * i + 1]);
}

/// The warps that have a tile's rows.
template <class Config>
struct Consumers {
  __device__ int thread() const { return threadIdx.x - Config::kProducerThreads; }
  __device__ int num_threads() const { return Config::kConsumerThreads; }
  __device__ void synchronize() const { ptx::named_barrier_wait<Config::kConsumerThreads>(1); }
};

template <class Config>
__device__ void consume(const AttentionParams& params, const StepHeader& step, PrefillRings<Config> rings, int* is_last) {
  constexpr int kDim = Config::kDim, kKeys = Config::kKeys;
  const Consumers<Config> consumers;
  const int lane = threadIdx.x % kWarpSize;
  const int first_row = consumers.thread() / kWarpSize * 16;
  const int warpgroup = consumers.thread() / 128;
  // Warpgroups take turns at starting products, so that one's softmax runs beside the other's products.
  const auto take_turn = [&] {
    if (Config::kTakesTurns) ptx::named_barrier_wait<Config::kConsumerThreads>(2 + warpgroup);
  };
  const auto end_turn = [&] {
    if (Config::kTakesTurns) ptx::named_barrier_arrive<Config::kConsumerThreads>(3 - warpgroup);
  };
  if (warpgroup == 1) end_turn();
  const auto release = [&](auto& ring) {
    if (lane == 0) ptx::mbarrier_arrive(ring.free());
    ring.next();
  };
  for (DealtItems items{step.num_prefill_tiles * params.num_kv_heads}; items.next();) {
    const PrefillTile tile = step.prefill_tiles[items.item / params.num_kv_heads];
    const int kv_head = items.item % params.num_kv_heads;
    RowTile<kDim / 8> rows;
    rows.reset();
    int position[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = min(first_row + lane / 4 + half * 8, tile.num_rows - 1);
      position[half] = tile.kv_length - tile.num_tokens + (tile.row_begin + row) / params.group;
    }
    uint32_t weights[kKeys / 16][4];
    wait_copied(rings.queries);
    const uint32_t query_rows = rings.queries.tile() + warpgroup * 64 * 128;
    {
      float scores[kKeys / 8][4];
      wait_copied(rings.keys);
      ptx::wgmma_fence();
      start_scores<Config>(scores, query_rows, rings.keys.tile());
      ptx::wgmma_wait<0>();
      ptx::wgmma_hold(scores);
      release(rings.keys);
      rows.weigh(scores, params, tile.key_begin, tile.key_end, position);
      pack_tile<Config>(weights, scores);
    }
    for (int key = tile.key_begin + kKeys; key < tile.key_end; key += kKeys) {
      float scores[kKeys / 8][4];
      wait_copied(rings.keys);
      take_turn();
      ptx::wgmma_hold(weights);
      ptx::wgmma_hold(rows.out);
      ptx::wgmma_fence();
      start_scores<Config>(scores, query_rows, rings.keys.tile());
      wait_copied(rings.values);
      start_values<Config>(rows.out, weights, rings.values.tile());
      end_turn();
      ptx::wgmma_wait<1>();
      ptx::wgmma_hold(scores);
      release(rings.keys);
      const float2 factors = rows.weigh(scores, params, key, tile.key_end, position);
      ptx::wgmma_hold(scores);  // the softmax is over before the wait, not after it
      ptx::wgmma_wait<0>();
      ptx::wgmma_hold(rows.out);
      ptx::wgmma_hold(weights);
      release(rings.values);
      rows.scale(factors);
      pack_tile<Config>(weights, scores);
    }
    release(rings.queries);
    wait_copied(rings.values);
    ptx::wgmma_hold(weights);
    ptx::wgmma_hold(rows.out);
    ptx::wgmma_fence();
    start_values<Config>(rows.out, weights, rings.values.tile());
    ptx::wgmma_wait<0>();
    ptx::wgmma_hold(rows.out);
    release(rings.values);

    const auto place = [&](int row) {
      const int row_in_request = tile.row_begin + row;
      return int2{tile.first_token + row_in_request / params.group, kv_head * params.group + row_in_request % params.group};
    };
    const auto partial = [&](int split) {
      const int64_t index = tile.first_partial + int64_t{kv_head} * tile.num_splits + split;
      return Partial<kDim, Config::kRows>{params.partials + index * Partial<kDim, Config::kRows>::kFloats};
    };
    const bool is_part = tile.num_splits > 1;
    store_rows<Config>(rows, params, first_row, tile.num_rows, is_part, partial(tile.split), place);
    int32_t* num_done = params.num_done + tile.merge * params.num_kv_heads + kv_head;
    if (is_part && finish_part(consumers, num_done, tile.num_splits, is_last)) {
      merge_parts<kDim>(consumers, params, tile.num_splits, tile.num_rows, partial, place);
    }
  }
  if (warpgroup == 0) take_turn();
}

/// grid.x blocks share out all tiles.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) prefill_sm90_kernel(const __grid_constant__ AttentionParams params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(16) unsigned char shared[];
  const uint32_t base = (ptx::shared_address(shared) + 1023) / 1024 * 1024;
  int* is_last = reinterpret_cast<int*>(shared + (base - ptx::shared_address(shared)) + Config::kBarriersOffset + 240);
  PrefillRings<Config> rings(base);
  if (threadIdx.x == 0) rings.initialize();
  __syncthreads();
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  if (threadIdx.x < Config::kProducerThreads) {
    ptx::lower_registers<Config::kProducerRegisters>();
    produce<Config>(params, *params.step, rings);
  } else {
    ptx::raise_registers<Config::kConsumerRegisters>();
    consume<Config>(params, *params.step, rings, is_last);
  }
#else
  __trap();  // selected on sm_90 alone
#endif
}

}  // namespace sgl::cuda
