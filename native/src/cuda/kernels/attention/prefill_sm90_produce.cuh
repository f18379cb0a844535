#pragma once

#include "cuda/kernels/attention/prefill_sm90.hpp"
#include "cuda/kernels/attention/prefill_sm90_config.cuh"
#include "cuda/kernels/attention/row_tile.cuh"
#include "cuda/ptx/tma.cuh"

// The producers of Hopper's prefill kernel (prefill_sm90.cuh): queries, keys and values on their way to shared memory.

namespace sgl::cuda {

/// A warp starts copying kNumRows rows of a tile from `first_row` on. Lane l names the element offset of row l % kNumRows, or
/// -1 for a row of zeros.
template <class Config, int kNumRows>
__device__ __forceinline__ void gather_rows(uint32_t tile, int first_row, const bf16* source, int64_t offset_of_lane,
                                            int head_dim) {
  static_assert(kNumRows % 8 == 0 && kNumRows <= kWarpSize, "eight rows after eight rows, a lane names one");
  const int lane = threadIdx.x % kWarpSize, chunk = lane % 8, lane_row = lane / 8;
  const uint32_t place = tile + first_row / 8 * Config::kEightRowsBytes + lane_row * 128;
#pragma unroll
  for (int row = 0; row < kNumRows; row += 4) {  // of lane 0; the other lanes' are in the same eight
    const int64_t row_offset = __shfl_sync(0xffffffffu, offset_of_lane, row + lane_row);
    const uint32_t piece = (chunk ^ (row % 8 + lane_row)) * 16;
#pragma unroll
    for (int block = 0; block < Config::kBlocks; ++block) {
      const int dim = block * 64 + chunk * 8;
      const bool is_valid = row_offset >= 0 && dim < head_dim;
      ptx::cp_async_16(place + row / 8 * Config::kEightRowsBytes + block * Config::kBlockBytes + row % 8 * 128 + piece,
                       source + (is_valid ? row_offset + dim : 0), is_valid);
    }
  }
}

/// Warps from kFirstQueryWarp on copy an item's queries, and with them its PrefillTile.
template <class Config>
__device__ __forceinline__ void gather_queries(const AttentionParams& params, const PrefillTile* tile, int kv_head,
                                               PrefillRings<Config>& rings, uint32_t tile_slot) {
  const int thread = threadIdx.x - Config::kFirstQueryWarp * kWarpSize;
  const int row_begin = tile->row_begin, num_rows = tile->num_rows, first_token = tile->first_token;
  rings.queries.wait_free();
  if (thread < static_cast<int>(sizeof(PrefillTile) / 16)) {
    ptx::cp_async_16(tile_slot + thread * 16, reinterpret_cast<const char*>(tile) + thread * 16, true);
  }
#pragma unroll 1
  for (int first = thread / kWarpSize * kWarpSize; first < Config::kRows; first += Config::kQueryThreads) {
    int64_t offset = -1;
    if (first + thread % kWarpSize < num_rows) {
      const int row = row_begin + first + thread % kWarpSize;
      offset = (first_token + row / params.group) * params.q_stride[0] +
               (int64_t{kv_head} * params.group + row % params.group) * params.q_stride[1];
    }
    gather_rows<Config, kWarpSize>(rings.queries.tile(), first, static_cast<const bf16*>(params.q), offset, params.head_dim);
  }
  ptx::mbarrier_arrive_after_copies(rings.queries.filled());
  rings.queries.next();
}

/// One warp has an item's queries copied, and with them its PrefillTile.
template <class Config>
__device__ __forceinline__ void copy_queries(const PrefillSm90Params& params, const PrefillTile* tile, int kv_head,
                                             PrefillRings<Config>& rings, uint32_t tile_slot) {
  const int lane = threadIdx.x % kWarpSize, group = params.attention.group;
  const int num_eights = (tile->num_rows + 7) / 8, first_token = tile->first_token, row_begin = tile->row_begin;
  rings.queries.wait_free();
  if (lane == 0) {
    ptx::mbarrier_arrive_expecting(rings.queries.filled(), num_eights * Config::kBlocks * 1024 + sizeof(PrefillTile));
    ptx::bulk_load(tile_slot, tile, sizeof(PrefillTile), rings.queries.filled());
  }
  __syncwarp();
  for (int i = lane; i < num_eights * Config::kBlocks; i += kWarpSize) {
    const int eight = i / Config::kBlocks, block = i % Config::kBlocks, row = row_begin + eight * 8;
    ptx::tma_load(rings.queries.tile() + eight * Config::kEightRowsBytes + block * Config::kBlockBytes, &params.queries,
                  block * 64, kv_head * group + row % group, first_token + row / group, rings.queries.filled());
  }
  rings.queries.next();
}

/// Four warps gather rows by themselves: pages of any size, rows of any length.
template <class Config>
__device__ void gather_tiles(const AttentionParams& params, const StepHeader& step, PrefillRings<Config> rings,
                             uint32_t shared_tiles) {
  constexpr int kWarpKeys = Config::kKeys / (Config::kProducerThreads / kWarpSize);
  const int first_row = threadIdx.x / kWarpSize * kWarpKeys;
  TileSlots<Config> slots{shared_tiles};
  ItemDealer<Config> dealer(params, rings.items, threadIdx.x == 0);
  DealtItems<Config> items(params, rings.items);
  while (true) {
    if (threadIdx.x == 0) dealer.deal();
    if (!items.next()) break;
    const PrefillTile& tile = step.prefill_tiles[items.item / params.num_kv_heads];
    const int kv_head = items.item % params.num_kv_heads, key_end = tile.key_end;
    const int32_t* pages = step.pages + tile.page_start;
    gather_queries<Config>(params, &tile, kv_head, rings, slots.next());

    const auto offset_of = [&](int first_key) -> int64_t {
      const int key = first_key + first_row + threadIdx.x % kWarpKeys;
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
        gather_rows<Config, kWarpKeys>(rings.keys.tile(), first_row, static_cast<const bf16*>(params.k_cache), keys_offset,
                                       params.head_dim);
        ptx::mbarrier_arrive_after_copies(rings.keys.filled());
        rings.keys.next();
      }
      if (key > tile.key_begin) {
        rings.values.wait_free();
        gather_rows<Config, kWarpKeys>(rings.values.tile(), first_row, static_cast<const bf16*>(params.v_cache), values_offset,
                                       params.head_dim);
        ptx::mbarrier_arrive_after_copies(rings.values.filled());
        rings.values.next();
      }
      values_offset = keys_offset;
    }
  }
}

/// The tiles of keys of a block's items one after the other. What is read of memory is read ahead: page numbers by a tile,
/// ranges of keys by an item.
template <class Config>
struct KeyCursor {
  const AttentionParams& params;
  const StepHeader& step;
  int page_rows;  // rows of a copy; they lie in one page
  DealtItems<Config> items;
  bool has_item = false, has_next;
  int kv_head = 0, key = 0, key_end = 0;
  const int32_t* pages = nullptr;
  int page = -1;  // of this lane's rows, or -1 past the last key
  int next_begin = 0, next_end = 0, next_page_start = 0;

  __device__ KeyCursor(const AttentionParams& params, const StepHeader& step, int page_rows,
                       const TileRing<Config::kItemStages>& ring)
      : params(params), step(step), page_rows(page_rows), items(params, ring) {
    read_item();
    begin_item();
  }
  __device__ int lane_row() const { return threadIdx.x % kWarpSize * page_rows % Config::kKeys; }
  __device__ int lane_key() const { return key + lane_row(); }
  __device__ void read_item() {
    has_next = items.next();
    if (!has_next) return;
    const PrefillTile& tile = step.prefill_tiles[items.item / params.num_kv_heads];
    next_begin = tile.key_begin;
    next_end = tile.key_end;
    next_page_start = tile.page_start;
  }
  __device__ void begin_item() {
    has_item = has_next;
    if (!has_item) return;
    kv_head = items.item % params.num_kv_heads;
    key = next_begin;
    key_end = next_end;
    pages = step.pages + next_page_start;
    look_up();
    read_item();
  }
  __device__ void look_up() { page = lane_key() < key_end ? pages[lane_key() / params.page_size] : -1; }
  /// The lane's eight rows of the cache, or -1.
  __device__ int eight_rows() const {
    return page < 0 ? -1 : cache_row(params, page, kv_head, lane_key() % params.page_size) / 8;
  }
  __device__ void next() {
    key += Config::kKeys;
    if (key < key_end) {
      look_up();
    } else {
      begin_item();
    }
  }
};

/// One warp has keys and values copied, a lane each page or part of a page, or a block of one.
template <class Config>
__device__ void copy_pages(const PrefillSm90Params& params, const StepHeader& step, PrefillRings<Config> rings) {
  const int lane = threadIdx.x % kWarpSize, page_rows = params.page_rows, outside = params.num_eight_rows;
  const auto copy = [&](auto& ring, const CUtensorMap* cache, int eight_rows) {
    ring.wait_free();
    if (lane == 0) ptx::mbarrier_arrive_expecting(ring.filled(), Config::kKeyBytes);
    __syncwarp();
    const int row = lane * page_rows, block = row / Config::kKeys;
    const uint32_t place = ring.tile() + row % Config::kKeys / 8 * Config::kEightRowsBytes + block * Config::kBlockBytes;
    if (eight_rows < 0) eight_rows = outside;
    if constexpr (Config::kCopiesBlocks) {
      if (block < Config::kBlocks) ptx::tma_load(place, cache, block * 64, eight_rows * 8, ring.filled());
    } else {
      if (block == 0) ptx::tma_load_rows(place, cache, eight_rows, ring.filled());
    }
    ring.next();
  };
  // Keys run one tile ahead of values, in the order of use.
  KeyCursor<Config> cursor(params.attention, step, page_rows, rings.items);
  bool has_values = false;
  int values = -1;
  while (cursor.has_item) {
    const int keys = cursor.eight_rows();
    copy(rings.keys, &params.keys, keys);
    cursor.next();
    if (has_values) copy(rings.values, &params.values, values);
    has_values = true;
    values = keys;
  }
  if (has_values) copy(rings.values, &params.values, values);
}

template <class Config>
__device__ void produce(const PrefillSm90Params& params, const StepHeader& step, PrefillRings<Config> rings,
                        uint32_t shared_tiles) {
  if constexpr (!Config::kCopiesPages) {
    gather_tiles<Config>(params.attention, step, rings, shared_tiles);
  } else if (threadIdx.x < kWarpSize) {
    copy_pages<Config>(params, step, rings);
  } else if (threadIdx.x < Config::kFirstQueryWarp * kWarpSize) {
    if (threadIdx.x % kWarpSize != 0) return;
    for (ItemDealer<Config> dealer(params.attention, rings.items, true); !dealer.is_over;) dealer.deal();
  } else {
    TileSlots<Config> slots{shared_tiles};
    for (DealtItems<Config> items(params.attention, rings.items); items.next();) {
      const PrefillTile* tile = &step.prefill_tiles[items.item / params.attention.num_kv_heads];
      const int kv_head = items.item % params.attention.num_kv_heads;
      if (!params.copies_queries) {
        gather_queries<Config>(params.attention, tile, kv_head, rings, slots.next());
      } else if (threadIdx.x / kWarpSize == Config::kFirstQueryWarp) {
        copy_queries<Config>(params, tile, kv_head, rings, slots.next());
      }
    }
  }
}

}  // namespace sgl::cuda
