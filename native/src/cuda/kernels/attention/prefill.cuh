#pragma once

#include "cuda/kernels/attention/merge.cuh"
#include "cuda/ptx/grid_dependency.cuh"

// Attention of many query rows over pages of keys (FlashAttention-2, arXiv 2307.08691, over mma.sync; sm_80 and newer). Bound
// by the tensor cores: 4 * head_dim FLOP for every visible pair of query row and key.
//
// Schedule. A tile is kRows query rows of a KV head, token by token, each token's query heads side by side, so that a group
// reads its keys once. Blocks take tiles from a common counter. Four warps own kRows / 4 rows each, two mma
// tiles where registers allow, so that a matrix of keys from shared memory serves two products. Tiles of kKeys keys and values
// are double buffered (cp.async), page numbers one tile further ahead. Where tiles are too few to fill the device their keys
// are split (merge.cuh).
//
// Measured on one H100 80GB HBM3, causal, 32/8 heads of 256, 4 x 4096 tokens: 212 TFLOP/s.

namespace sgl::cuda {

template <int kDim_, int kRowTiles_, int kKeys_>
struct PrefillConfig {
  static constexpr int kDim = kDim_;
  static constexpr int kNumWarps = 4;
  static constexpr int kThreads = kNumWarps * kWarpSize;
  /// mma tiles of 16 rows in a warp.
  static constexpr int kRowTiles = kRowTiles_;
  static constexpr int kWarpRows = kRowTiles * 16;
  static constexpr int kRows = kNumWarps * kWarpRows;
  static constexpr int kKeys = kKeys_;
  static constexpr int kTileBytes = kKeys * kRowBytes<kDim>;  // of keys, or of values
  static constexpr int kStageBytes = 2 * kTileBytes;
  static constexpr int kQueryBytes = kRows * kRowBytes<kDim>;
  static constexpr int kSharedBytes = kQueryBytes + 2 * kStageBytes + 16;
  static_assert(kKeys % 16 == 0 && kDim % 16 == 0, "mma takes 16 keys and 16 dims at a time");
};

/// A warp copies its query rows of a tile to shared memory; rows past the last and dims past head_dim are 0.
template <class Config>
__device__ __forceinline__ void load_query_rows(unsigned char* destination, const AttentionParams& params,
                                                const PrefillTile& tile, int kv_head, int first_row) {
  constexpr int kChunks = Config::kDim / 8;
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll 4
  for (int i = lane; i < Config::kWarpRows * kChunks; i += kWarpSize) {
    const int row = i / kChunks, dim = i % kChunks * 8;
    Vec<bf16, 8> chunk{};
    if (first_row + row < tile.num_rows && dim < params.head_dim) {
      const int row_in_request = tile.row_begin + first_row + row;
      const int64_t token = tile.first_token + row_in_request / params.group;
      const int64_t head = int64_t{kv_head} * params.group + row_in_request % params.group;
      const bf16* source = static_cast<const bf16*>(params.q) + token * params.q_stride[0] + head * params.q_stride[1] + dim;
      if (params.q_by_two) {
#pragma unroll
        for (int pair = 0; pair < 4; ++pair) {
          reinterpret_cast<uint32_t*>(&chunk)[pair] = reinterpret_cast<const uint32_t*>(source)[pair];
        }
      } else {
#pragma unroll
        for (int element = 0; element < 8; ++element) chunk[element] = source[element];
      }
    }
    *reinterpret_cast<Vec<bf16, 8>*>(destination + row * kRowBytes<Config::kDim> + dim * 2) = chunk;
  }
}

/// The page of the key that this lane fetches of the keys from `first_key` on, or -1 past the last.
template <class Config>
__device__ __forceinline__ int look_up_page(const AttentionParams& params, const int32_t* pages, const PrefillTile& tile,
                                            int first_key) {
  constexpr int kFetched = Config::kKeys / Config::kNumWarps;
  const int key = first_key + threadIdx.x / kWarpSize * kFetched + threadIdx.x % kFetched;
  return key < tile.key_end ? pages[tile.page_start + key / params.page_size] : -1;
}

/// Starts copying the tile of keys from `first_key` on; each warp its share.
template <class Config>
__device__ __forceinline__ void fetch_keys(uint32_t stage, const AttentionParams& params, int kv_head, int first_key,
                                           int page) {
  constexpr int kFetched = Config::kKeys / Config::kNumWarps;
  const int warp = threadIdx.x / kWarpSize;
  const int key = first_key + warp * kFetched + threadIdx.x % kFetched;
  const int row = page < 0 ? -1 : cache_row(params, page, kv_head, key % params.page_size);
  const uint32_t place = stage + warp * kFetched * kRowBytes<Config::kDim>;
  fetch_rows<Config::kDim, kFetched>(place, place + Config::kTileBytes, params, row);
}

/// A warp's rows against a tile of keys in shared memory.
template <class Config>
__device__ __forceinline__ void attend_keys(RowTile<Config::kDim / 8> (&rows)[Config::kRowTiles], uint32_t query_rows,
                                            uint32_t stage, const AttentionParams& params, int first_key, int key_end,
                                            const int (&position)[Config::kRowTiles][2]) {
  constexpr int kDim = Config::kDim;
  const int lane = threadIdx.x % kWarpSize;
  float scores[Config::kRowTiles][Config::kKeys / 8][4] = {};
  const uint32_t query_address = query_rows + row_offset<kDim>(lane);
  const uint32_t key_address = stage + key_offset<kDim>(lane);
#pragma unroll
  for (int i = 0; i < kDim / 16; ++i) {
    uint32_t queries[Config::kRowTiles][4];
#pragma unroll
    for (int r = 0; r < Config::kRowTiles; ++r) {
      ptx::load_matrices(queries[r], query_address + r * 16 * kRowBytes<kDim> + i * 32);
    }
#pragma unroll
    for (int k = 0; k < Config::kKeys / 16; ++k) {
      uint32_t keys[4];
      ptx::load_matrices(keys, key_address + k * 16 * kRowBytes<kDim> + i * 32);
#pragma unroll
      for (int r = 0; r < Config::kRowTiles; ++r) {
        const uint32_t(&q)[4] = queries[r];
        ptx::mma_bf16(scores[r][2 * k], q[0], q[1], q[2], q[3], keys[0], keys[1]);
        ptx::mma_bf16(scores[r][2 * k + 1], q[0], q[1], q[2], q[3], keys[2], keys[3]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < Config::kRowTiles; ++r) {
    rows[r].rescale(rows[r].weigh(scores[r], params, first_key, key_end, position[r]));
  }
  const uint32_t value_address = stage + Config::kTileBytes + row_offset<kDim>(lane);
#pragma unroll
  for (int k = 0; k < Config::kKeys / 16; ++k) {
    uint32_t weights[Config::kRowTiles][4];
#pragma unroll
    for (int r = 0; r < Config::kRowTiles; ++r) {
      pack_weights(weights[r], scores[r][2 * k], scores[r][2 * k + 1]);
    }
#pragma unroll
    for (int i = 0; i < kDim / 16; ++i) {
      uint32_t values[4];
      ptx::load_matrices_transposed(values, value_address + k * 16 * kRowBytes<kDim> + i * 32);
#pragma unroll
      for (int r = 0; r < Config::kRowTiles; ++r) {
        const uint32_t(&w)[4] = weights[r];
        ptx::mma_bf16(rows[r].out[2 * i], w[0], w[1], w[2], w[3], values[0], values[1]);
        ptx::mma_bf16(rows[r].out[2 * i + 1], w[0], w[1], w[2], w[3], values[2], values[3]);
      }
    }
  }
}

/// Stores a warp's rows: as the result, or as a part of it.
template <class Config, class Place>
__device__ __forceinline__ void store_rows(RowTile<Config::kDim / 8>& rows, const AttentionParams& params, int first_row,
                                           int num_rows, bool is_part, const Partial<Config::kDim, Config::kRows>& part,
                                           const Place& place) {
  const int lane = threadIdx.x % kWarpSize;
  rows.finish();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first_row + lane / 4 + half * 8;
    if (row >= num_rows) continue;
    if (is_part) {
      float* destination = part.row(row) + lane % 4 * 2;
#pragma unroll
      for (int i = 0; i < Config::kDim / 8; ++i) {
        *reinterpret_cast<float2*>(destination + i * 8) = {rows.out[i][2 * half], rows.out[i][2 * half + 1]};
      }
      if (lane % 4 == 0) *part.statistics(row) = {rows.maximum[half], rows.sum[half]};
      continue;
    }
    const int2 token_and_head = place(row);
    const float factor = final_factor(params, rows.maximum[half], rows.sum[half], token_and_head.y);
    bf16* destination = out_row(params, token_and_head.x, token_and_head.y) + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < Config::kDim / 8; ++i) {
      if (i * 8 >= params.head_dim) continue;
      store_pair(destination + i * 8, rows.out[i][2 * half] * factor, rows.out[i][2 * half + 1] * factor, params.out_by_two);
    }
  }
}

template <class Config>
__device__ void attend_prefill_tile(const AttentionParams& params, const int32_t* pages, const PrefillTile& tile, int kv_head,
                                    unsigned char* shared, int* is_last) {
  constexpr int kDim = Config::kDim;
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int first_row = warp * Config::kWarpRows;
  unsigned char* query_rows = shared + first_row * kRowBytes<kDim>;
  const uint32_t stages = ptx::shared_address(shared) + Config::kQueryBytes;

  int page = look_up_page<Config>(params, pages, tile, tile.key_begin);
  fetch_keys<Config>(stages, params, kv_head, tile.key_begin, page);
  ptx::cp_async_commit();
  page = look_up_page<Config>(params, pages, tile, tile.key_begin + Config::kKeys);
  load_query_rows<Config>(query_rows, params, tile, kv_head, first_row);

  RowTile<kDim / 8> rows[Config::kRowTiles];
  int position[Config::kRowTiles][2];
  const auto position_of = [&](int row) {
    return tile.kv_length - tile.num_tokens + (tile.row_begin + min(row, tile.num_rows - 1)) / params.group;
  };
#pragma unroll
  for (int r = 0; r < Config::kRowTiles; ++r) {
    rows[r].reset();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      position[r][half] = position_of(first_row + r * 16 + lane / 4 + half * 8);
    }
  }
  // Keys that none of the warp's rows see are skipped.
  const int warp_begin = first_visible_key(params, position_of(first_row));
  const int warp_end = first_row < tile.num_rows ? min(position_of(first_row + Config::kWarpRows - 1) + 1, tile.key_end) : 0;

  int stage = 0;
  for (int key = tile.key_begin; key < tile.key_end; key += Config::kKeys) {
    ptx::cp_async_wait<0>();
    __syncthreads();  // the tile is visible to all warps, and all have left the other stage
    const uint32_t current = stages + stage * Config::kStageBytes;
    stage ^= 1;
    if (key + Config::kKeys < tile.key_end) {
      fetch_keys<Config>(stages + stage * Config::kStageBytes, params, kv_head, key + Config::kKeys, page);
      ptx::cp_async_commit();
      page = look_up_page<Config>(params, pages, tile, key + 2 * Config::kKeys);
    }
    if (key < warp_end && key + Config::kKeys > warp_begin) {
      attend_keys<Config>(rows, ptx::shared_address(query_rows), current, params, key, tile.key_end, position);
    }
  }

  const auto place = [&](int row) {
    const int row_in_request = tile.row_begin + row;
    return int2{tile.first_token + row_in_request / params.group, kv_head * params.group + row_in_request % params.group};
  };
  const auto partial = [&](int split) {
    const int64_t index = tile.first_partial + int64_t{kv_head} * tile.num_splits + split;
    return Partial<kDim, Config::kRows>{params.partials + index * Partial<kDim, Config::kRows>::kFloats};
  };
  const bool is_part = tile.num_splits > 1;
#pragma unroll
  for (int r = 0; r < Config::kRowTiles; ++r) {
    store_rows<Config>(rows[r], params, first_row + r * 16, tile.num_rows, is_part, partial(tile.split), place);
  }
  int32_t* num_done = params.num_done + tile.merge * params.num_kv_heads + kv_head;
  if (is_part && finish_part(WholeBlock(), num_done, tile.num_splits, is_last)) {
    merge_parts<kDim>(WholeBlock(), params, tile.num_splits, tile.num_rows, partial, place);
  }
}

/// grid.x blocks share out all tiles.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 2) prefill_kernel(const __grid_constant__ AttentionParams params) {
  extern __shared__ __align__(16) unsigned char shared[];
  int* words = reinterpret_cast<int*>(shared + Config::kQueryBytes + 2 * Config::kStageBytes);
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  const StepHeader& step = *params.step;
  const int num_items = step.num_prefill_tiles * params.num_kv_heads;
  while (true) {
    if (threadIdx.x == 0) words[0] = atomicAdd(&params.tickets[0], 1);
    __syncthreads();  // also: all warps have left the last tile's shared memory
    const int item = words[0];
    if (item >= num_items) break;
    attend_prefill_tile<Config>(params, step.pages, step.prefill_tiles[item / params.num_kv_heads], item % params.num_kv_heads,
                                shared, words + 1);
  }
  if (threadIdx.x == 0 && atomicAdd(&params.tickets[1], 1) == static_cast<int>(gridDim.x) - 1) {
    params.tickets[0] = 0;
    params.tickets[1] = 0;
  }
}

}  // namespace sgl::cuda
