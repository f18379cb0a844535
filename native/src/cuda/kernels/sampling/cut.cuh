#pragma once

#include "cuda/kernels/sampling/logits.cuh"

// Where top-k and top-p cut the order (falling logit, rising id), without sorting. A logit v is kept if fewer than k logits
// are larger, and the weights of the larger ones sum to at most p: both hold from some v up, which a search over the 32-bit
// keys of logits finds. A pass over the row counts and sums above 7 pivots, so 11 passes narrow 2^32 keys to one; every pass is
// a read from L2, and no sum depends on timing. Of equal logits at the cut only the lowest ids may be kept: they are counted,
// and in that rare case their last id is searched too.

namespace sgl::cuda {

/// Kept is key > `key`, or key == `key` and id <= `last_id`.
struct Cut {
  uint32_t key = 0;
  int last_id = INT32_MAX;

  __device__ bool keeps(float logit, int id) const {
    const uint32_t other = key_of(logit);
    return other > key || (other == key && id <= last_id);
  }
};

inline constexpr int kPivots = 7;

/// `max_count` is k; `max_weight` is p times the norm, infinity for no limit.
__device__ inline Cut find_cut(SamplingGroup& group, const LogitRow& row, const Weighting& weighting, int vocabulary,
                               int max_count, double max_weight) {
  // All keys below `low` keep too much; `high` does not, and `count` and `weight` are what lies above it.
  uint32_t low = 0, high = key_of(weighting.max);
  double count = 0, weight = 0;
  while (low < high) {
    uint32_t pivots[kPivots];
#pragma unroll
    for (int i = 0; i < kPivots; ++i) {
      pivots[i] = low + static_cast<uint32_t>(static_cast<uint64_t>(high - low) * (i + 1) / (kPivots + 1));
    }
    double above[2 * kPivots] = {};
    row.for_each([&](int, float logit) {
      const uint32_t key = key_of(logit);
      if (key <= pivots[0]) return;
      const double e = weighting.fast(logit);
#pragma unroll
      for (int i = 0; i < kPivots; ++i) {
        if (key > pivots[i]) {
          above[i] += 1;
          above[kPivots + i] += e;
        }
      }
    });
    group.reduce(above, Sum());
    bool is_found = false;
#pragma unroll
    for (int i = 0; i < kPivots; ++i) {
      if (is_found) continue;
      if (above[i] < max_count && above[kPivots + i] <= max_weight) {
        is_found = true;
        high = pivots[i];
        count = above[i];
        weight = above[kPivots + i];
      } else {
        low = pivots[i] + 1;
      }
    }
  }

  Cut cut;
  cut.key = high;
  const double tied_weight = weighting.fast(logit_of(high));
  double allowed = max_count - count;
  if (tied_weight > 0) allowed = fmin(allowed, floor((max_weight - weight) / tied_weight) + 1);
  double num_tied = 0;
  row.for_each([&](int, float logit) { num_tied += key_of(logit) == high ? 1 : 0; });
  num_tied = group.reduce(num_tied, Sum());
  if (allowed >= num_tied) return cut;

  int first = 0, last = vocabulary - 1;  // the last id kept is in [first, last]
  while (first < last) {
    const int middle = first + (last - first) / 2;
    double up_to = 0;
    row.for_each([&](int id, float logit) { up_to += key_of(logit) == high && id <= middle ? 1 : 0; });
    up_to = group.reduce(up_to, Sum());
    if (up_to >= allowed) {
      last = middle;
    } else {
      first = middle + 1;
    }
  }
  cut.last_id = first;
  return cut;
}

}  // namespace sgl::cuda
