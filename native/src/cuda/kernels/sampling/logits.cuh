#pragma once

#include <cfloat>
#include <cstdint>

#include "cuda/tile/row_group.cuh"

namespace sgl::cuda {

inline constexpr int kSamplingThreads = 512;
using SamplingGroup = RowGroup<kSamplingThreads>;

/// NaN counts as -1e5, +infinity as the largest finite float; -0 is 0, so that equal logits have equal keys.
__device__ __forceinline__ float clean(float logit) { return logit != logit ? -1e5f : fminf(logit, FLT_MAX) + 0.0f; }

/// Rising with the logit.
__device__ __forceinline__ uint32_t key_of(float logit) {
  const uint32_t bits = __float_as_uint(logit);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float logit_of(uint32_t key) { return __uint_as_float(key >> 31 != 0 ? key & 0x7fffffffu : ~key); }

/// Rising with the logit, equal ones falling with the id.
__device__ __forceinline__ unsigned long long rank_of(float logit, int id) {
  return static_cast<unsigned long long>(key_of(logit)) << 32 | (0xffffffffu - static_cast<uint32_t>(id));
}

__device__ __forceinline__ int id_of(unsigned long long rank) {
  return static_cast<int>(0xffffffffu - static_cast<uint32_t>(rank));
}

/// One row and the part of it that a block visits.
struct LogitRow {
  __device__ LogitRow(const float* logits, int vocabulary, const SamplingGroup& group) : logits(logits) {
    const int share = ((vocabulary + group.num_blocks() - 1) / group.num_blocks() + 3) / 4 * 4;
    begin = min(share * group.block(), vocabulary);
    end = min(begin + share, vocabulary);
  }

  __device__ float operator[](int id) const { return clean(logits[id]); }

  /// Calls body(id, logit) for the block's ids, in each thread in rising order. Loads go out a few at a time, 16 bytes each
  /// where the row is aligned, since a pass is bound by their latency.
  template <class Body>
  __device__ __forceinline__ void for_each(const Body& body) const {
    if (reinterpret_cast<uintptr_t>(logits) % 16 != 0) {
      return for_each_of(begin + static_cast<int>(threadIdx.x), end, kSamplingThreads, body);
    }
    constexpr int kBatch = 4, kStep = 4 * kSamplingThreads;
    int id = begin + 4 * static_cast<int>(threadIdx.x);
    for (; id + (kBatch - 1) * kStep + 4 <= end; id += kBatch * kStep) {
      float4 batch[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; ++i) batch[i] = *reinterpret_cast<const float4*>(logits + id + i * kStep);
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        const float values[4] = {batch[i].x, batch[i].y, batch[i].z, batch[i].w};
#pragma unroll
        for (int j = 0; j < 4; ++j) body(id + i * kStep + j, clean(values[j]));
      }
    }
#pragma unroll 1
    for (; id < end; id += kStep) {
      float values[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) values[j] = id + j < end ? logits[id + j] : 0;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (id + j < end) body(id + j, clean(values[j]));
      }
    }
  }

  /// The same for ids first, first + step, ... below `last`.
  template <class Body>
  __device__ __forceinline__ void for_each_of(int first, int last, int step, const Body& body) const {
    constexpr int kBatch = 8;
    for (int id = first; id < last; id += kBatch * step) {
      float batch[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; ++i) batch[i] = id + i * step < last ? logits[id + i * step] : 0;
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        if (id + i * step < last) body(id + i * step, clean(batch[i]));
      }
    }
  }

  const float* logits;
  int begin;
  int end;
};

/// The largest logit, ties to the lower id, among those ranked below `bound`.
__device__ __forceinline__ unsigned long long largest(SamplingGroup& group, const LogitRow& row, unsigned long long bound) {
  unsigned long long best = 0;
  row.for_each([&](int id, float logit) {
    const unsigned long long rank = rank_of(logit, id);
    if (rank < bound && rank > best) best = rank;
  });
  return group.reduce(best, Max());
}

/// exp((logit - max) / temperature): 1 for the largest.
struct Weighting {
  __device__ Weighting(float max, float temperature)
      : max(max),
        temperature(temperature > 0 ? temperature : 1),
        scale(fminf(static_cast<float>(1.4426950408889634 / static_cast<double>(this->temperature)), 1e38f)) {}

  /// To some 1e-6 of itself: for sums over the vocabulary, of which the far and inexact elements are a small part.
  __device__ float fast(float logit) const { return logit == max ? 1.0f : exp2f((logit - max) * scale); }
  __device__ double exact(float logit) const {
    return exp((static_cast<double>(logit) - static_cast<double>(max)) / static_cast<double>(temperature));
  }
  __device__ float log_probability(float logit, double total) const {
    if (logit == -INFINITY) return -FLT_MAX;
    const double value =
        (static_cast<double>(logit) - static_cast<double>(max)) / static_cast<double>(temperature) - log(total);
    return fmaxf(-FLT_MAX, static_cast<float>(value));
  }

  float max;
  float temperature;
  float scale;
};

__device__ __forceinline__ double total_weight(SamplingGroup& group, const LogitRow& row, const Weighting& weighting) {
  double sum = 0;
  row.for_each([&](int, float logit) { sum += static_cast<double>(weighting.fast(logit)); });
  return group.reduce(sum, Sum());
}

}  // namespace sgl::cuda
