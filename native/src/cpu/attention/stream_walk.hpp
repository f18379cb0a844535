#pragma once

#include <cstdint>

#include "cpu/attention/attention_kernels.hpp"

// The way of a streamed block through its keys: which rows come next, and bringing them into the caches.

namespace sgl::cpu {
namespace {

inline constexpr int kOctet = 8;

/// Where the rows of some keys lie.
template <int kKeys>
struct StreamTile {
  static_assert(kKeys % (kOctet * 4) == 0);

  int64_t offsets[kKeys];         // elements, from a head's row 0 of page 0; past the last key, and before the first, another's
  bool is_dense[kKeys / kOctet];  // eight keys whose rows are one piece
  int first_key;                  // a multiple of 8, so up to 7 keys before the block's first
  int num_keys;
};

/// Brings the rows of K and V of two coming steps on their way.
///
/// A core drops requests that it has no room for, so each line gets a second chance a step later. The first asks for it in the
/// second-level cache, which has more misses in flight than the first; so does the second unless the first-level cache holds
/// two steps.
template <class Storage, int kKeys, bool kIsNearInFirstLevel>
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

  /// One line of K and one of V of a row of both: the `step`th, of kKeys / kPlaces, in one of four places, so that
  /// callers who go through the places walk four pieces of memory at a time.
  void line(int step, int place, int line) const {
    const int row = place * (kKeys / kPlaces) + step;
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
template <int kKeys>
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
  bool next(StreamTile<kKeys>& tile) {
    const int left = block_->key_end - key_;
    if (left <= 0) return false;
    tile.first_key = key_;
    tile.num_keys = left < kKeys ? left : kKeys;
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
    for (int j = i; j < kKeys; ++j) tile.offsets[j] = tile.offsets[i - 1];
    for (int octet = 0; octet < kKeys / kOctet; ++octet) {
      tile.is_dense[octet] =
          block_->page_size % kOctet == 0 && octet * kOctet >= before && (octet + 1) * kOctet <= tile.num_keys;
    }
    key_ += kKeys;
    return true;
  }

 private:
  const AttentionBlock* block_;
  int key_;
  int page_;
  int row_;
};

/// The tiles of a block, then those of the block that its worker is given next.
template <int kKeys>
class StreamQueue {
 public:
  struct Entry {
    StreamTile<kKeys> tile;
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
  StreamCursor<kKeys> cursor_;
  StreamCursor<kKeys> following_cursor_;
  AttentionBlock following_;
  bool has_asked_ = false;
  bool has_following_ = false;
};

}  // namespace
}  // namespace sgl::cpu
