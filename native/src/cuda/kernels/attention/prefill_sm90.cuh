#pragma once

#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/kernels/attention/prefill.cuh"
#include "cuda/kernels/attention/prefill_sm90_produce.cuh"
#include "cuda/ptx/wgmma.cuh"

// `prefill_kernel` for Hopper (FlashAttention-3, arXiv 2407.08608): products by wgmma, memory and tensor cores in different
// warps.
//
// Schedule. A tile is 128 query rows of a KV head. Blocks, one an SM, take tiles from a common counter; neighbours in its order
// are of the same request, so that they share keys in the second-level cache. A producer warp has keys and values copied page
// by page by the copy engine (two warps gather queries), or, where pages are not of whole eights of rows or rows are short,
// four producer warps gather all rows by cp.async; either as far ahead as rings of stages allow, also over the ends of tiles.
// Two consumer warpgroups have 64 rows each and take turns: while a warpgroup's softmax of one tile of keys runs, the tensor
// cores work on its last tile's values and on the other warpgroup. Values of a tile's last keys go together with the next
// tile's first scores.
//
// Measured on one H100 80GB HBM3, causal, 32/8 heads of 128, pages of 16, 16k tokens in all: 307 / 431 / 515 / 537 / 574 / 596
// TFLOP/s at lengths of 512 / 1k / 2k / 4k / 8k / 16k, 89 to 102 % of cuDNN's 343 / 447 / 530 / 580 / 620 / 585 in the same
// run, 83 to 101 % in another (docs/performance.md). At 512 a fifth of the scores are behind the diagonal of 128 keys; halves
// of a tile of keys there would come next. Tried: tiles sorted by length over all requests (blocks then read all requests'
// keys at once, presumably more than the second-level cache holds: 251 at 512, 361 at 1k), no turns (slower at 2k and 4k), a
// wait for values that cannot be moved before the softmax and scaling only where a maximum moved (no faster on the whole).
//
// Every product is behind a fence of its own: without one, nvcc 13.0 reports that it serialises all products of the kernel,
// since a wait on a barrier lies between them (C7520).

namespace sgl::cuda {

/// Waits for a tile that threads have copied, which products do not see without the fence.
template <class Ring>
__device__ __forceinline__ void wait_gathered(const Ring& ring) {
  ring.wait_filled();
  ptx::fence_async_proxy();
}

template <class Config, class Ring>
__device__ __forceinline__ void wait_copied(const Ring& ring) {
  ring.wait_filled();
  if (!Config::kCopiesPages) ptx::fence_async_proxy();
}

/// A warpgroup writes zeros over the rows of a tile from `first_row` on: what lies behind the last key in its page may be NaN.
template <class Config>
__device__ __forceinline__ void clear_rows(uint32_t tile, int first_row, int warpgroup) {
  constexpr int kChunks = Config::kDim / 8;
  for (int i = threadIdx.x % 128; i < (Config::kKeys - first_row) * kChunks; i += 128) {
    const int row = first_row + i / kChunks, chunk = i % kChunks;
    ptx::store_zeros_16(tile + row / 8 * Config::kEightRowsBytes + chunk / 8 * 1024 + row % 8 * 128 + chunk % 8 * 16);
  }
  ptx::fence_async_proxy();
  ptx::named_barrier_wait<128>(4 + warpgroup);
}

/// Starts scores = queries keys^T of a warpgroup.
template <class Config>
__device__ __forceinline__ void start_scores(float (&scores)[Config::kKeys / 8][4], uint32_t query_rows, uint32_t key_tile) {
#pragma unroll
  for (int i = 0; i < Config::kDim / 16; ++i) {
    const uint32_t offset = i / 4 * 1024 + i % 4 * 32;
    ptx::wgmma(scores, ptx::WgmmaTile::row_major(query_rows + offset, Config::kEightRowsBytes),
               ptx::WgmmaTile::row_major(key_tile + offset, Config::kEightRowsBytes), i > 0);
  }
  ptx::wgmma_commit();
}

/// Starts out += weights values of a warpgroup.
template <class Config>
__device__ __forceinline__ void start_values(float (&out)[Config::kDim / 8][4],
                                             const uint32_t (&weights)[Config::kKeys / 16][4], uint32_t value_tile) {
#pragma unroll
  for (int i = 0; i < Config::kKeys / 16; ++i) {
    const uint32_t values = value_tile + i * 2 * Config::kEightRowsBytes;
    ptx::wgmma_transposed(out, weights[i], ptx::WgmmaTile::transposed(values, 1024, Config::kEightRowsBytes));
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

/// Exchanges words in each four lanes: lane t gets the t-th word of all four.
__device__ __forceinline__ void transpose_four(uint32_t (&words)[4]) {
  const bool is_odd = threadIdx.x & 1, is_upper = threadIdx.x & 2;
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const uint32_t received = __shfl_xor_sync(0xffffffffu, is_odd ? words[i] : words[i + 1], 1);
    (is_odd ? words[i] : words[i + 1]) = received;
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const uint32_t received = __shfl_xor_sync(0xffffffffu, is_upper ? words[i] : words[i + 2], 2);
    (is_upper ? words[i] : words[i + 2]) = received;
  }
}

/// Stores a warp's rows of the result, 16 bytes a lane.
template <int kDim, class Place>
__device__ __forceinline__ void store_rows_by_eight(RowTile<kDim / 8>& rows, const AttentionParams& params, int first_row,
                                                    int num_rows, const Place& place) {
  const int lane = threadIdx.x % kWarpSize;
  rows.finish();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first_row + lane / 4 + half * 8;
    const int2 token_and_head = place(min(row, num_rows - 1));
    const float factor = final_factor(params, rows.maximum[half], rows.sum[half], token_and_head.y);
    bf16* destination = out_row(params, token_and_head.x, token_and_head.y);
#pragma unroll
    for (int i = 0; i < kDim / 8; i += 4) {
      uint32_t words[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        words[j] = pack_bf16(rows.out[i + j][2 * half] * factor, rows.out[i + j][2 * half + 1] * factor);
      }
      transpose_four(words);
      const int dim = (i + lane % 4) * 8;
      if (row < num_rows && dim < params.head_dim) {
        *reinterpret_cast<uint4*>(destination + dim) = {words[0], words[1], words[2], words[3]};
      }
    }
  }
}

/// The warps that have a tile's rows.
template <class Config>
struct Consumers {
  __device__ int thread() const { return threadIdx.x - Config::kProducerThreads; }
  __device__ int num_threads() const { return Config::kConsumerThreads; }
  __device__ void synchronize() const { ptx::named_barrier_wait<Config::kConsumerThreads>(1); }
};

/// A warpgroup's rows of an item.
template <class Config>
struct ItemRows {
  const PrefillTile* tile;  // in shared memory
  int kv_head;
  uint32_t query_rows;
  int position[2];  // of rows g and g + 8 of the lane
  int key;          // first of the tile of keys at hand
  int key_end;

  __device__ ItemRows(const AttentionParams& params, const DealtItems<Config>& items,
                      const TileRing<Config::kQueryStages>& queries, uint32_t shared_tiles, int first_row) {
    wait_gathered(queries);
    tile = reinterpret_cast<const PrefillTile*>(__cvta_shared_to_generic(shared_tiles + queries.stage * 64));
    kv_head = items.item % params.num_kv_heads;
    query_rows = queries.tile() + first_row / 64 * 8 * Config::kEightRowsBytes;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = min(first_row + threadIdx.x % kWarpSize / 4 + half * 8, tile->num_rows - 1);
      position[half] = tile->kv_length - tile->num_tokens + (tile->row_begin + row) / params.group;
    }
    key = tile->key_begin;
    key_end = tile->key_end;
  }
};

/// Stores an item's rows, or a part of them; the last part's warps merge all.
template <class Config>
__device__ __forceinline__ void finish_item(RowTile<Config::kDim / 8>& rows, const PrefillSm90Params& all,
                                            const PrefillTile& tile, int kv_head, int first_row, int* is_last) {
  constexpr int kDim = Config::kDim;
  const AttentionParams& params = all.attention;
  const auto place = [&](int row) {
    const int row_in_request = tile.row_begin + row;
    return int2{tile.first_token + row_in_request / params.group, kv_head * params.group + row_in_request % params.group};
  };
  if (tile.num_splits == 1 && all.out_by_eight) {
    store_rows_by_eight<kDim>(rows, params, first_row, tile.num_rows, place);
    return;
  }
  const auto partial = [&](int split) {
    const int64_t index = tile.first_partial + int64_t{kv_head} * tile.num_splits + split;
    return Partial<kDim, Config::kRows>{params.partials + index * Partial<kDim, Config::kRows>::kFloats};
  };
  store_rows<Config>(rows, params, first_row, tile.num_rows, tile.num_splits > 1, partial(tile.split), place);
  if (tile.num_splits == 1) return;
  const Consumers<Config> consumers;
  int32_t* num_done = params.num_done + tile.merge * params.num_kv_heads + kv_head;
  if (finish_part(consumers, num_done, tile.num_splits, is_last)) {
    merge_parts<kDim>(consumers, params, tile.num_splits, tile.num_rows, partial, place);
  }
}

/// Two warpgroups of 64 rows each. The product of an item's last values runs together with that of the next item's first keys.
template <class Config>
__device__ void consume(const PrefillSm90Params& all, PrefillRings<Config> rings, uint32_t shared_tiles, int* is_last) {
  constexpr int kDim = Config::kDim, kKeys = Config::kKeys;
  const AttentionParams& params = all.attention;
  const int thread = threadIdx.x - Config::kProducerThreads;
  const int first_row = thread / kWarpSize * 16, warpgroup = thread / 128;
  // Warpgroups take turns at starting products, so that one's softmax runs beside the other's products.
  const auto take_turn = [&] { ptx::named_barrier_wait<Config::kConsumerThreads>(2 + warpgroup); };
  const auto end_turn = [&] { ptx::named_barrier_arrive<Config::kConsumerThreads>(3 - warpgroup); };
  const auto release = [&](auto& ring) {
    if (threadIdx.x % kWarpSize == 0) ptx::mbarrier_arrive(ring.free());
    ring.next();
  };
  // Values behind the last key of a page may be anything, and no weight of 0 makes a NaN one.
  const auto clear_tail = [&](int key, int key_end) {
    if (!Config::kCopiesPages || key_end % params.page_size == 0) return;
    wait_copied<Config>(rings.values);
    clear_rows<Config>(rings.values.tile(), key_end - key, warpgroup);
  };

  DealtItems<Config> items(params, rings.items);
  if (!items.next()) return;
  if (warpgroup == 1) end_turn();
  ItemRows<Config> item(params, items, rings.queries, shared_tiles, first_row);
  RowTile<kDim / 8> rows;
  rows.reset();
  uint32_t weights[kKeys / 16][4];
  {
    float scores[kKeys / 8][4];
    wait_copied<Config>(rings.keys);
    ptx::wgmma_fence();
    start_scores<Config>(scores, item.query_rows, rings.keys.tile());
    ptx::wgmma_wait<0>();
    ptx::wgmma_hold(scores);
    release(rings.keys);
    rows.weigh(scores, params, item.key, item.key_end, item.position);
    pack_tile<Config>(weights, scores);
  }
  while (true) {
    const bool is_end = item.key + kKeys >= item.key_end;
    const PrefillTile* done_tile = item.tile;
    const int done_head = item.kv_head;
    float done_maximum[2], done_sum[2];
    if (is_end) {
      clear_tail(item.key, item.key_end);
      if (!items.next()) break;
      auto queries = rings.queries;
      queries.next();
      item = ItemRows<Config>(params, items, queries, shared_tiles, first_row);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        done_maximum[half] = rows.maximum[half];
        done_sum[half] = rows.sum[half];
        rows.maximum[half] = -INFINITY;
        rows.sum[half] = 0;
      }
    } else {
      item.key += kKeys;
    }
    float scores[kKeys / 8][4];
    wait_copied<Config>(rings.keys);
    take_turn();
    ptx::wgmma_hold(weights);
    ptx::wgmma_hold(rows.out);
    ptx::wgmma_fence();
    start_scores<Config>(scores, item.query_rows, rings.keys.tile());
    wait_copied<Config>(rings.values);
    ptx::wgmma_fence();
    start_values<Config>(rows.out, weights, rings.values.tile());
    end_turn();
    ptx::wgmma_wait<1>();
    ptx::wgmma_hold(scores);
    release(rings.keys);
    const float2 factors = rows.weigh(scores, params, item.key, item.key_end, item.position);
    ptx::wgmma_wait<0>();
    ptx::wgmma_hold(rows.out);
    ptx::wgmma_hold(weights);
    release(rings.values);
    pack_tile<Config>(weights, scores);
    if (is_end) {
      RowTile<kDim / 8> done = rows;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        done.maximum[half] = done_maximum[half];
        done.sum[half] = done_sum[half];
      }
      finish_item<Config>(done, all, *done_tile, done_head, first_row, is_last);
      release(rings.queries);
      rows.clear_out();
    } else {
      rows.scale(factors);
    }
  }
  wait_copied<Config>(rings.values);
  ptx::wgmma_hold(weights);
  ptx::wgmma_hold(rows.out);
  ptx::wgmma_fence();
  start_values<Config>(rows.out, weights, rings.values.tile());
  ptx::wgmma_wait<0>();
  ptx::wgmma_hold(rows.out);
  finish_item<Config>(rows, all, *item.tile, item.kv_head, first_row, is_last);
  if (warpgroup == 0) take_turn();
}

/// grid.x blocks share out all tiles.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) prefill_sm90_kernel(const __grid_constant__ PrefillSm90Params params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(16) unsigned char shared[];
  const uint32_t base = (ptx::shared_address(shared) + 1023) / 1024 * 1024;
  unsigned char* aligned = shared + (base - ptx::shared_address(shared));
  int* is_last = reinterpret_cast<int*>(aligned + Config::kBarriersOffset + 240);
  PrefillRings<Config> rings(base);
  if (threadIdx.x == 0) {
    rings.initialize();
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  if (threadIdx.x < Config::kProducerThreads) {
    ptx::lower_registers<Config::kProducerRegisters>();
    produce<Config>(params, *params.attention.step, rings, base + Config::kTilesOffset);
  } else {
    ptx::raise_registers<Config::kConsumerRegisters>();
    consume<Config>(params, rings, base + Config::kTilesOffset, is_last);
  }
#else
  __trap();  // selected on sm_90 alone
#endif
}

template <class Config>
PrefillSm90Kernel kernel_of() {
  return {prefill_sm90_kernel<Config>, Config::kThreads, Config::kSharedBytes, Config::kCopiesPages};
}

}  // namespace sgl::cuda
