#pragma once

#include "cuda/kernels/sampling/logits.cuh"

// Where top-k and top-p cut the order (falling logit, rising id), without sorting. A logit v is kept if fewer than k logits
// are larger, and the weights of the larger ones sum to at most p: both hold from some v up, which a search over the 32-bit
// keys of logits finds. A pass over the row counts and sums above 7 pivots, the first time at steps of the logarithm of a
// weight, since most of the keys are of logits that none has. What is left of the row, when few enough, is listed in shared
// memory, and the search ends there, 8 bits of the key at a time. Sums in the list are of integers, so that no sum depends on
// timing. Of equal logits at the cut only the lowest ids may be kept: they are counted, and in that rare case their last id is
// searched too.

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

/// The logits of a block's part of a row among which a cut falls.
struct CutList {
  static constexpr int kMaxEntries = 4096;
  static constexpr int kBins = 256;
  /// A weight of 1: all entries' weights fit 64 bits, and what rounding cuts off them sums to below 1e-9.
  static constexpr double kOne = 0x1p44;

  uint2 entries[kMaxEntries];  // key, id
  unsigned long long weights[kBins];
  uint32_t counts[kBins];
  uint32_t num_entries;
};

/// The keys among which a cut is searched.
struct CutRange {
  uint32_t low;      // all keys below keep too much
  uint32_t high;     // does not, and this is what lies above it:
  int64_t count;     // logits
  double weight;     // and their weights
  int64_t from_low;  // logits from `low` up, or more
};

/// One pass over the row: the range between two of the pivots, which lie in [low, high).
__device__ inline void narrow_range(SamplingGroup& group, const LogitRow& row, const Weighting& weighting, int64_t max_count,
                                    double max_weight, const uint32_t (&pivots)[kPivots], CutRange& range) {
  uint32_t counts[kPivots] = {};
  double weights[kPivots] = {};
  row.for_each([&](int, float logit) {
    const uint32_t key = key_of(logit);
    if (key <= pivots[0]) return;
    const double e = weighting.fast(logit);
#pragma unroll
    for (int i = 0; i < kPivots; ++i) {
      if (key > pivots[i]) {
        counts[i] += 1;
        weights[i] += e;
      }
    }
  });
  double above[2 * kPivots];
#pragma unroll
  for (int i = 0; i < kPivots; ++i) {
    above[i] = counts[i];
    above[kPivots + i] = weights[i];
  }
  group.reduce(above, Sum());
  bool is_found = false;
#pragma unroll
  for (int i = 0; i < kPivots; ++i) {
    if (is_found) continue;
    const auto count = static_cast<int64_t>(above[i]);
    if (count < max_count && above[kPivots + i] <= max_weight) {
      is_found = true;
      range.high = pivots[i];
      range.count = count;
      range.weight = above[kPivots + i];
    } else {
      range.low = pivots[i] + 1;
      range.from_low = count;
    }
  }
}

/// Lists what the block's part of the row has within the range, in any order.
__device__ inline void list_range(const LogitRow& row, const CutRange& range, CutList& list) {
  if (threadIdx.x == 0) list.num_entries = 0;
  __syncthreads();
  row.for_each([&](int id, float logit) {
    const uint32_t key = key_of(logit);
    if (key < range.low || key > range.high) return;
    list.entries[atomicAdd(&list.num_entries, 1u)] = {key, static_cast<uint32_t>(id)};
  });
  __syncthreads();
}

/// Narrows the range to one key by the lists of all blocks: each step counts and sums by 256 ranges of keys, of which the first
/// warp finds the lowest whose upper end satisfies both limits.
__device__ inline void search_lists(SamplingGroup& group, const Weighting& weighting, int64_t max_count, double max_weight,
                                    CutList& list, CutRange& range) {
  constexpr int kBinsPerLane = CutList::kBins / kWarpSize;
  __shared__ CutRange next;
  while (range.low < range.high) {
    const int shift = max(0, 32 - __clz(static_cast<int>(range.high - range.low)) - 8);
    for (int bin = threadIdx.x; bin < CutList::kBins; bin += kSamplingThreads) {
      list.weights[bin] = 0;
      list.counts[bin] = 0;
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < list.num_entries; i += kSamplingThreads) {
      const uint32_t key = list.entries[i].x;
      if (key < range.low || key > range.high) continue;
      const uint32_t bin = (key - range.low) >> shift;
      atomicAdd(&list.counts[bin], 1u);
      atomicAdd(&list.weights[bin],
                static_cast<unsigned long long>(static_cast<double>(weighting.fast(logit_of(key))) * CutList::kOne));
    }
    group.synchronize();
    if (threadIdx.x < kWarpSize) {
      const int lane = static_cast<int>(threadIdx.x);
      uint32_t counts[kBinsPerLane] = {};
      unsigned long long weights[kBinsPerLane] = {};
      uint32_t lane_count = 0;
      unsigned long long lane_weight = 0;
#pragma unroll
      for (int i = 0; i < kBinsPerLane; ++i) {
        const int bin = lane * kBinsPerLane + i;
        for (int block = 0; block < group.num_blocks(); ++block) {
          counts[i] += *group.of_block(&list.counts[bin], block);
          weights[i] += *group.of_block(&list.weights[bin], block);
        }
        lane_count += counts[i];
        lane_weight += weights[i];
      }
      uint32_t count = lane_count;  // of this lane's bins and all above
      unsigned long long weight = lane_weight;
#pragma unroll
      for (int distance = 1; distance < kWarpSize; distance *= 2) {
        const uint32_t other_count = __shfl_down_sync(0xffffffffu, count, distance);
        const unsigned long long other_weight = __shfl_down_sync(0xffffffffu, weight, distance);
        if (lane + distance < kWarpSize) {
          count += other_count;
          weight += other_weight;
        }
      }
      count -= lane_count;  // above the highest of this lane's bins
      weight -= lane_weight;
      int found = -1;
      uint32_t found_count = 0;
      unsigned long long found_weight = 0;
#pragma unroll
      for (int i = kBinsPerLane - 1; i >= 0; --i) {
        if (range.count + count < max_count && range.weight + static_cast<double>(weight) / CutList::kOne <= max_weight) {
          found = lane * kBinsPerLane + i;
          found_count = count;
          found_weight = weight;
        }
        count += counts[i];
        weight += weights[i];
      }
      // What lies above grows downwards, so the bins that satisfy are the highest ones; the one of range.high always does.
      const int owner = __ffs(static_cast<int>(__ballot_sync(0xffffffffu, found >= 0))) - 1;
      if (lane == owner) {
        next = range;
        next.low = range.low + (static_cast<uint32_t>(found) << shift);
        next.high = next.low + min((1u << shift) - 1, range.high - next.low);
        next.count = range.count + found_count;
        next.weight = range.weight + static_cast<double>(found_weight) / CutList::kOne;
      }
    }
    group.synchronize();  // no block clears its bins before all have read them
    range = next;
  }
}

/// `max_count` is k; `max_weight` is p times the norm, infinity for no limit.
__device__ inline Cut find_cut(SamplingGroup& group, const LogitRow& row, const Weighting& weighting, int vocabulary,
                               int64_t max_count, double max_weight, CutList& list) {
  CutRange range{0, key_of(weighting.max), 0, 0, vocabulary};
  const auto is_listable = [&] { return range.from_low - range.count <= CutList::kMaxEntries; };
  for (bool is_first = true; range.low < range.high && !is_listable(); is_first = false) {
    uint32_t pivots[kPivots];
    constexpr float kSteps[kPivots] = {24, 16, 11, 8, 5, 3, 1};  // of the natural logarithm of a weight
#pragma unroll
    for (int i = 0; i < kPivots; ++i) {
      pivots[i] =
          is_first ? min(key_of(weighting.max - kSteps[i] * weighting.temperature + 0.0f), range.high - 1)
                   : range.low + static_cast<uint32_t>(static_cast<uint64_t>(range.high - range.low) * (i + 1) / (kPivots + 1));
    }
    narrow_range(group, row, weighting, max_count, max_weight, pivots, range);
  }
  const bool has_list = is_listable();
  if (has_list) {
    list_range(row, range, list);
    search_lists(group, weighting, max_count, max_weight, list, range);
  }
  // Calls body(id) for the ids of the block's part whose logit is the cut's.
  const auto for_each_tied = [&](const auto& body) {
    if (has_list) {
      for (uint32_t i = threadIdx.x; i < list.num_entries; i += kSamplingThreads) {
        if (list.entries[i].x == range.high) body(static_cast<int>(list.entries[i].y));
      }
    } else {
      row.for_each([&](int id, float logit) {
        if (key_of(logit) == range.high) body(id);
      });
    }
  };

  Cut cut;
  cut.key = range.high;
  const double tied_weight = weighting.fast(logit_of(range.high));
  double allowed = static_cast<double>(max_count - range.count);
  if (tied_weight > 0) allowed = fmin(allowed, floor((max_weight - range.weight) / tied_weight) + 1);
  double num_tied = 0;
  for_each_tied([&](int) { num_tied += 1; });
  num_tied = group.reduce(num_tied, Sum());
  if (allowed >= num_tied) return cut;

  int first = 0, last = vocabulary - 1;  // the last id kept is in [first, last]
  while (first < last) {
    const int middle = first + (last - first) / 2;
    double up_to = 0;
    for_each_tied([&](int id) { up_to += id <= middle ? 1 : 0; });
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
