#pragma once

#include "cuda/kernels/attention/attention_params.hpp"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/tile_ring.cuh"

// What the warps of Hopper's prefill kernel (prefill_sm90.cuh) hand each other.

namespace sgl::cuda {

template <int kDim_, int kKeys_, int kQueryStages_, int kKeyStages_, int kValueStages_, int kProducerRegisters_,
          int kConsumerRegisters_, bool kCopiesPages_>
struct PrefillSm90Config {
  static constexpr int kDim = kDim_;
  static constexpr int kKeys = kKeys_;
  static constexpr int kRows = 128;
  static constexpr int kQueryStages = kQueryStages_;
  static constexpr int kKeyStages = kKeyStages_;
  static constexpr int kValueStages = kValueStages_;
  /// Keys and values come through the copy engine, from pages of a multiple of eight rows.
  static constexpr bool kCopiesPages = kCopiesPages_;
  static constexpr int kProducerThreads = 4 * kWarpSize;
  static constexpr int kConsumerThreads = 8 * kWarpSize;
  static constexpr int kThreads = kProducerThreads + kConsumerThreads;
  static constexpr int kProducerRegisters = kProducerRegisters_;
  static constexpr int kConsumerRegisters = kConsumerRegisters_;
  /// Warps that gather queries; with kCopiesPages the first warp has keys and values copied, the second deals items, and the
  /// next may have queries copied.
  static constexpr int kFirstQueryWarp = kCopiesPages ? 2 : 0;
  static constexpr int kQueryThreads = kProducerThreads - kFirstQueryWarp * kWarpSize;
  static constexpr int kKeyThreads = kCopiesPages ? 1 : kProducerThreads;
  /// Tiles are stored in blocks of 64 columns, eight rows after eight rows: block after block where a row is no whole number
  /// of them, and the copy engine takes a block of a page at a time; else eight rows' blocks side by side, and it takes whole
  /// pages. Products leave out columns past kDim.
  static constexpr int kBlocks = (kDim + 63) / 64;
  static constexpr bool kCopiesBlocks = kDim % 64 != 0;
  static constexpr int kEightRowsBytes = kCopiesBlocks ? 1024 : kBlocks * 1024;
  static constexpr int kBlockBytes = kCopiesBlocks ? kRows * 128 : 1024;
  static constexpr int kQueryBytes = kRows * kBlocks * 128;
  static constexpr int kKeyBytes = kKeys * kBlocks * 128;
  /// Rows of the result on their way out: 16 rows of 64 columns a warp.
  static constexpr int kStagedBytes = 2048;
  static constexpr int kStagedOffset = kQueryStages * kQueryBytes + (kKeyStages + kValueStages) * kKeyBytes;
  static constexpr int kBarriersOffset = kStagedOffset + kConsumerThreads / kWarpSize * kStagedBytes;
  /// A PrefillTile for each item whose queries are there, and for two more that are not finished.
  static constexpr int kTileSlots = kQueryStages + 2;
  static constexpr int kTilesOffset = kBarriersOffset + 256;
  static constexpr int kItemsOffset = kTilesOffset + kTileSlots * 64;
  static constexpr int kItemStages = 3;
  /// Warps that read items: producers without the one that deals them, and consumers.
  static constexpr int kItemReaders = (kCopiesPages ? 3 : 4) + 8;
  static constexpr int kSharedBytes = kItemsOffset + kItemStages * 16 + 1024;  // the base is aligned to 1024 by hand
  static_assert(kDim % 16 == 0, "a product takes 16 dims at a time");
  static_assert(!kCopiesBlocks || kKeys == kRows, "blocks of keys are as large as those of queries");
  static_assert(kKeys == 128 || kKeys == 64, "the wrappers of wgmma for scores have as many columns, or half of them");
  static_assert(2 * (kQueryStages + kKeyStages + kValueStages + kItemStages) * 8 <= 240,
                "barriers end before the word behind them");
  static_assert(kSharedBytes <= 227 * 1024, "what a block can have");
};

template <class Config>
struct PrefillRings {
  TileRing<Config::kQueryStages> queries;
  TileRing<Config::kKeyStages> keys;
  TileRing<Config::kValueStages> values;
  TileRing<Config::kItemStages> items;

  __device__ explicit PrefillRings(uint32_t base) {
    queries = {base, base + Config::kBarriersOffset, Config::kQueryBytes};
    keys = {base + Config::kQueryStages * Config::kQueryBytes, queries.barriers_end(), Config::kKeyBytes};
    values = {keys.tiles + Config::kKeyStages * Config::kKeyBytes, keys.barriers_end(), Config::kKeyBytes};
    items = {base + Config::kItemsOffset, values.barriers_end(), 16};
  }

  __device__ void initialize(bool copies_queries) const {
    queries.initialize(copies_queries ? 1 : Config::kQueryThreads, Config::kConsumerThreads / kWarpSize);
    keys.initialize(Config::kKeyThreads, Config::kConsumerThreads / kWarpSize);
    values.initialize(Config::kKeyThreads, Config::kConsumerThreads / kWarpSize);
    items.initialize(1, Config::kItemReaders);
  }
};

/// Places of PrefillTiles, in the order of a block's items.
template <class Config>
struct TileSlots {
  uint32_t slots;
  int index = 0;

  __device__ uint32_t next() {
    const uint32_t slot = slots + index * 64;
    index = index + 1 == Config::kTileSlots ? 0 : index + 1;
    return slot;
  }
};

/// One thread of a block deals its items, numbers of tile * num_kv_heads + KV head, from a counter that all blocks share; the
/// first number past the last item ends the block.
template <class Config>
struct ItemDealer {
  TileRing<Config::kItemStages> ring;
  int32_t* tickets;
  int num_items;
  int item;  // the next to be dealt, taken ahead of its use
  bool is_over = false;

  __device__ ItemDealer(const AttentionParams& params, const TileRing<Config::kItemStages>& ring, bool is_dealer)
      : ring(ring), tickets(params.tickets), num_items(params.step->num_prefill_tiles * params.num_kv_heads) {
    if (is_dealer) item = atomicAdd(&tickets[0], 1);
  }
  __device__ void deal() {
    if (is_over) return;
    ring.wait_free();
    ptx::store_shared(ring.tile(), item);
    ptx::mbarrier_arrive(ring.filled());
    ring.next();
    is_over = item >= num_items;
    if (!is_over) {
      item = atomicAdd(&tickets[0], 1);
    } else if (atomicAdd(&tickets[1], 1) == static_cast<int>(gridDim.x) - 1) {
      tickets[0] = 0;
      tickets[1] = 0;
    }
  }
};

/// A warp's view of the items dealt to its block.
template <class Config>
struct DealtItems {
  TileRing<Config::kItemStages> ring;
  int num_items;
  int item = -1;

  __device__ DealtItems(const AttentionParams& params, const TileRing<Config::kItemStages>& ring)
      : ring(ring), num_items(params.step->num_prefill_tiles * params.num_kv_heads) {}
  __device__ bool next() {
    ring.wait_filled();
    item = ptx::load_shared(ring.tile());
    __syncwarp();
    if (threadIdx.x % kWarpSize == 0) ptx::mbarrier_arrive(ring.free());
    ring.next();
    return item < num_items;
  }
};

}  // namespace sgl::cuda
