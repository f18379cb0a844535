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
// by page by the copy engine and another has queries copied (two warps gather them where groups of heads do not fill eights of
// rows), or, where pages are not of whole eights of rows or rows are short, four producer warps gather all rows by cp.async;
// either as far ahead as rings of stages allow, also over the ends of tiles. Two consumer warpgroups have 64 rows each and take
// turns: while a warpgroup's softmax of one tile of keys runs, the tensor cores work on the other warpgroup. Values of a tile's
// last keys go together with the next tile's first scores; queries are free again after a tile's last scores.
//
// Measured on one H100 80GB HBM3, causal, 32/8 heads, pages of 16, 16k tokens in all (docs/performance.md): heads of 128 at
// lengths of 512 and 4k 360 and 536 TFLOP/s; heads of 192 and 256 at 4k 508 and 511. Clocks read in the kernel at 4k, for a
// tile of 128 keys and a warpgroup: 1,100 to start both products, whose instructions wait for the tensor cores; 1,300 to 1,700
// for the softmax, in which ptxas makes each addition wait for the exponential just before it; 700 between. A tile's end costs
// 900 to read the next one and 1,700 to store. Tried: halves of a tile of keys where the diagonal leaves the other half empty
// (349 at 512 and 524 at 4k, since every stage is then in a register of its own), tiles of 64 keys (330 and 454), one stage of
// queries and three of keys (310 at 512, 552 at 4k), no turns (487 at 4k), tiles sorted by length over all requests, and the
// next tile read while products run, with results stored by the copy engine (313 and 514). Heads of 80 and 96 at 4k: 338, 392.
//
// Every product is behind a fence of its own: without one, nvcc 13.0 reports that it serialises all products of the kernel,
// since a wait on a barrier lies between them (C7520).

namespace sgl::cuda {

/// Waits for a tile. What threads have copied, not the copy engine, products do not see without the fence.
template <class Ring>
__device__ __forceinline__ void wait_tile(const Ring& ring, bool is_gathered) {
  ring.wait_filled();
  if (is_gathered) ptx::fence_async_proxy();
}

template <class Config, class Ring>
__device__ __forceinline__ void wait_copied(const Ring& ring) {
  wait_tile(ring, !Config::kCopiesPages);
}

/// A warpgroup writes zeros over the rows of a tile from `first_row` on: what lies behind the last key in its page may be NaN.
template <class Config>
__device__ __forceinline__ void clear_rows(uint32_t tile, int first_row, int warpgroup) {
  constexpr int kChunks = Config::kBlocks * 8;
  for (int i = threadIdx.x % 128; i < (Config::kKeys - first_row) * kChunks; i += 128) {
    const int row = first_row + i / kChunks, chunk = i % kChunks;
    ptx::store_zeros_16(tile + row / 8 * Config::kEightRowsBytes + chunk / 8 * Config::kBlockBytes + row % 8 * 128 +
                        chunk % 8 * 16);
  }
  ptx::fence_async_proxy();
  ptx::named_barrier_wait<128>(4 + warpgroup);
}

/// Starts scores = queries keys^T of a warpgroup.
template <class Config, int kKeyTiles>
__device__ __forceinline__ void start_scores(float (&scores)[kKeyTiles][4], uint32_t query_rows, uint32_t key_tile) {
#pragma unroll
  for (int i = 0; i < Config::kDim / 16; ++i) {
    const uint32_t offset = i / 4 * Config::kBlockBytes + i % 4 * 32;
    ptx::wgmma(scores, ptx::WgmmaTile::row_major(query_rows + offset, Config::kEightRowsBytes),
               ptx::WgmmaTile::row_major(key_tile + offset, Config::kEightRowsBytes), i > 0);
  }
  ptx::wgmma_commit();
}

/// Adds products with the values of 16 keys, from the kFirst-th eight dims on in pieces of as many as a product takes.
template <class Config, int kFirst = 0>
__device__ __forceinline__ void multiply_values(float (&out)[Config::kDim / 8][4], const uint32_t (&weights)[4],
                                                uint32_t value_rows) {
  constexpr int kLeft = Config::kDim / 8 - kFirst;
  if constexpr (kLeft > 0) {
    constexpr int kTiles = kLeft >= 16 ? 16 : kLeft >= 8 ? 8 : kLeft >= 4 ? 4 : 2;
    ptx::wgmma_transposed(reinterpret_cast<float(&)[kTiles][4]>(out[kFirst]), weights,
                          ptx::WgmmaTile::transposed(value_rows + kFirst / 8 * Config::kBlockBytes, Config::kBlockBytes,
                                                     Config::kEightRowsBytes));
    multiply_values<Config, kFirst + kTiles>(out, weights, value_rows);
  }
}

/// Starts out += weights values of a warpgroup.
template <class Config>
__device__ __forceinline__ void start_values(float (&out)[Config::kDim / 8][4],
                                             const uint32_t (&weights)[Config::kKeys / 16][4], uint32_t value_tile) {
#pragma unroll
  for (int i = 0; i < Config::kKeys / 16; ++i) {
    multiply_values<Config>(out, weights[i], value_tile + i * 2 * Config::kEightRowsBytes);
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

/// Stores a warp's 16 rows of the result, 128 bytes of a row at a time, by way of `staged`, a place of its own in shared
/// memory.
template <int kDim, class Place>
__device__ __forceinline__ void store_rows_by_eight(RowTile<kDim / 8>& rows, const AttentionParams& params, uint32_t staged,
                                                    int first_row, int num_rows, const Place& place) {
  const int lane = threadIdx.x % kWarpSize;
  int64_t offset_of_lane = -1;
  if (first_row + lane % 16 < num_rows) {
    const int2 token_and_head = place(first_row + lane % 16);
    offset_of_lane = token_and_head.x * params.out_stride[0] + token_and_head.y * params.out_stride[1];
  }
  rows.finish();
  float factor[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    int q_head = 0;
    if (params.sinks != nullptr) q_head = place(min(first_row + lane / 4 + half * 8, num_rows - 1)).y;
    factor[half] = final_factor(params, rows.maximum[half], rows.sum[half], q_head);
  }
  const int chunk = lane % 8, lane_row = lane / 8;  // when reading back
  bf16* const out = static_cast<bf16*>(params.out) + chunk * 8;
#pragma unroll
  for (int first_tile = 0; first_tile < kDim / 8; first_tile += 8) {
#pragma unroll
    for (int i = 0; i < 8 && first_tile + i < kDim / 8; i += 2) {
      const float(&low)[4] = rows.out[first_tile + i], (&high)[4] = rows.out[first_tile + i + 1];
      const uint32_t words[4] = {
          pack_bf16(low[0] * factor[0], low[1] * factor[0]), pack_bf16(low[2] * factor[1], low[3] * factor[1]),
          pack_bf16(high[0] * factor[0], high[1] * factor[0]), pack_bf16(high[2] * factor[1], high[3] * factor[1])};
      ptx::store_matrices(staged + lane % 16 * 128 + ((i + lane / 16) ^ lane % 8) * 16, words);
    }
    __syncwarp();
    const bool is_valid = first_tile * 8 + chunk * 8 < params.head_dim;
#pragma unroll
    for (int first = 0; first < 16; first += 4) {
      const int row = first + lane_row;
      const int64_t offset = __shfl_sync(0xffffffffu, offset_of_lane, row);
      const uint4 piece = ptx::load_shared_16(staged + row * 128 + (chunk ^ row % 8) * 16);
      if (offset >= 0 && is_valid) *reinterpret_cast<uint4*>(out + offset + first_tile * 8) = piece;
    }
    __syncwarp();
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

  __device__ bool is_last_tile() const { return key + Config::kKeys >= key_end; }
  __device__ ItemRows(const PrefillSm90Params& all, const DealtItems<Config>& items,
                      const TileRing<Config::kQueryStages>& queries, uint32_t tile_slot, int first_row) {
    const AttentionParams& params = all.attention;
    wait_tile(queries, !all.copies_queries);
    tile = reinterpret_cast<const PrefillTile*>(__cvta_shared_to_generic(tile_slot));
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
                                            const PrefillTile& tile, int kv_head, uint32_t staged, int first_row,
                                            int* is_last) {
  constexpr int kDim = Config::kDim;
  const AttentionParams& params = all.attention;
  const auto place = [&](int row) {
    const int row_in_request = tile.row_begin + row;
    return int2{tile.first_token + row_in_request / params.group, kv_head * params.group + row_in_request % params.group};
  };
  if (tile.num_splits == 1 && all.out_by_eight) {
    store_rows_by_eight<kDim>(rows, params, staged, first_row, tile.num_rows, place);
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
__device__ void consume(const PrefillSm90Params& all, PrefillRings<Config> rings, uint32_t base, int* is_last) {
  constexpr int kDim = Config::kDim, kKeys = Config::kKeys;
  const AttentionParams& params = all.attention;
  const int thread = threadIdx.x - Config::kProducerThreads;
  const int first_row = thread / kWarpSize * 16, warpgroup = thread / 128;
  const uint32_t staged = base + Config::kStagedOffset + thread / kWarpSize * Config::kStagedBytes;
  TileSlots<Config> slots{base + Config::kTilesOffset};
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
  ItemRows<Config> item(all, items, rings.queries, slots.next(), first_row);
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
    if (item.is_last_tile()) release(rings.queries);
    rows.weigh(scores, params, item.key, item.key_end, item.position);
    pack_tile<Config>(weights, scores);
  }
  // The next tile's weights and the last one's values; returns what `rows.out` is multiplied with.
  const auto attend = [&] {
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
    if (item.is_last_tile()) release(rings.queries);
    const float2 factors = rows.weigh(scores, params, item.key, item.key_end, item.position);
    ptx::wgmma_wait<0>();
    ptx::wgmma_hold(rows.out);
    ptx::wgmma_hold(weights);
    release(rings.values);
    pack_tile<Config>(weights, scores);
    return factors;
  };
  while (true) {
    const bool is_end = item.is_last_tile();
    const PrefillTile* done_tile = item.tile;
    const int done_head = item.kv_head;
    float done_maximum[2], done_sum[2];
    if (is_end) {
      clear_tail(item.key, item.key_end);
      if (!items.next()) break;
      item = ItemRows<Config>(all, items, rings.queries, slots.next(), first_row);
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
    const float2 factors = attend();
    if (is_end) {
      RowTile<kDim / 8> done = rows;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        done.maximum[half] = done_maximum[half];
        done.sum[half] = done_sum[half];
      }
      finish_item<Config>(done, all, *done_tile, done_head, staged, first_row, is_last);
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
  finish_item<Config>(rows, all, *item.tile, item.kv_head, staged, first_row, is_last);
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
    rings.initialize(params.copies_queries);
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
    consume<Config>(params, rings, base, is_last);
  }
#else
  __trap();  // selected on sm_90 alone
#endif
}

template <class Config>
PrefillSm90Kernel kernel_of() {
  return {prefill_sm90_kernel<Config>,
          Config::kThreads,
          Config::kSharedBytes,
          Config::kRows,
          Partial<Config::kDim, Config::kRows>::kFloats,
          Config::kCopiesPages,
          Config::kCopiesBlocks};
}

}  // namespace sgl::cuda
