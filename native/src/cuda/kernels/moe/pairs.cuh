#pragma once

#include <cstdint>

#include "cuda/kernels/moe/route.hpp"

namespace sgl::cuda {

/// Pairs [first_pair, first_pair + num_pairs) of one expert, at most `pairs_per_tile`.
struct PairTile {
  int32_t expert;
  int32_t first_pair;
  int32_t num_pairs;
};

struct GroupParams {
  RouteParams route;  // done first where it has logits
  bool has_f32_logits;
  const int32_t* expert_ids;  // [num_tokens, k]
  int64_t ids_stride;
  int32_t num_choices;  // num_tokens * k
  int32_t k;
  int32_t first_expert;
  int32_t num_experts;  // of this rank
  int32_t pairs_per_tile;
  int32_t* pair_of_choice;  // [num_choices], -1 where the expert is another rank's
  int32_t* token_of_pair;   // [num_choices]
  PairTile* tiles;          // [max_tiles]
  int32_t* num_tiles;       // [1]
};

/// Which of this rank's experts a choice names; -1 where it is another rank's.
__device__ __forceinline__ int local_expert(int32_t id, int32_t first_expert, int32_t num_experts) {
  const int64_t expert = int64_t{id} - first_expert;
  return expert >= 0 && expert < num_experts ? static_cast<int>(expert) : -1;
}

/// One of the two products over pair tiles. Of a single token, every choice is a pair and a tile of its own: nothing is
/// grouped.
struct ExpertProductParams {
  void* y;                       // [num_pairs, width]
  const void* x;                 // [num_tokens, in_features] through token_of_pair, or [num_pairs, in_features]
  const void* weight;            // [num_experts, out_features, in_features]
  const int32_t* token_of_pair;  // null where x has a row for every pair
  const PairTile* tiles;         // null for a single token
  const int32_t* num_tiles;      // likewise
  const int32_t* expert_ids;     // [k] of a single token, else null
  int64_t x_stride;              // 0 where all pairs share a row
  int64_t expert_stride;
  int32_t width;
  int32_t in_features;
  int32_t first_expert;
  int32_t num_experts;  // of this rank

  __device__ __forceinline__ int64_t x_row(int pair) const { return token_of_pair == nullptr ? pair : token_of_pair[pair]; }

  /// Tile `index`; false where there is none. Past L1, since the work before may have written it while this kernel was there.
  __device__ __forceinline__ bool find_tile(int index, PairTile& tile) const {
    if (tiles == nullptr) {
      tile = PairTile{local_expert(__ldcg(expert_ids + index), first_expert, num_experts), index, 1};
      return tile.expert >= 0;
    }
    if (index >= __ldcg(num_tiles)) return false;
    const PairTile* found = tiles + index;
    tile = PairTile{__ldcg(&found->expert), __ldcg(&found->first_pair), __ldcg(&found->num_pairs)};
    return true;
  }
};

/// The most tiles that `num_choices` pairs of `num_experts` experts can need.
inline int64_t max_tiles(int64_t num_choices, int64_t num_experts, int64_t pairs_per_tile) {
  const int64_t touched = num_choices < num_experts ? num_choices : num_experts;
  return touched + (num_choices - touched) / pairs_per_tile;
}

}  // namespace sgl::cuda
