#pragma once

#include <climits>

#include "cuda/kernels/moe/route.hpp"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// Softmax and top k of router logits, a warp a token. The order is that of the logits themselves, so equal probabilities of
// different logits cannot swap. A round finds the largest logit behind the last one taken, in the order (falling logit, rising
// expert): nothing needs to be marked, and the logits stay in L1.

namespace sgl::cuda {

inline constexpr int kRouteWarps = 4;

struct RankedLogit {
  float logit;
  int id;

  __device__ bool is_before(const RankedLogit& other) const {
    return logit > other.logit || (logit == other.logit && id < other.id);
  }
};

struct First {
  __device__ __forceinline__ RankedLogit operator()(const RankedLogit& a, const RankedLogit& b) const {
    return b.is_before(a) ? b : a;
  }
};

__device__ __forceinline__ RankedLogit warp_first(RankedLogit value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    const RankedLogit other{__shfl_xor_sync(0xffffffffu, value.logit, distance),
                            __shfl_xor_sync(0xffffffffu, value.id, distance)};
    value = First()(value, other);
  }
  return value;
}

/// A NaN ranks last, so that a row of them still names different experts.
__device__ __forceinline__ float rank_of(float logit) { return fmaxf(logit, -INFINITY); }

/// One of a token's k experts.
struct Choice {
  int32_t id = -1;
  float weight = 0;
};

/// Experts that choose_experts takes.
inline constexpr int kMaxChosenFrom = 256;

/// The same order as that of the numbers; no number's key is 0.
__device__ __forceinline__ uint32_t key_of(float number) {
  const uint32_t bits = __float_as_uint(number + 0.0f);  // -0 is 0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float number_of(uint32_t key) {
  return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

/// Routes a token among at most kMaxChosenFrom experts, k of at most a warp's lanes, by a warp: lane i < k has choice i. Reads
/// past L1.
template <class T>
__device__ __forceinline__ Choice choose_experts(const RouteParams& params, int64_t token) {
  constexpr int kPerLane = kMaxChosenFrom / kWarpSize;
  const T* logits = static_cast<const T*>(params.logits) + token * params.logits_stride;
  const int lane = threadIdx.x % kWarpSize;
  float logit[kPerLane];
  uint32_t keys[kPerLane];  // 0 of those that do not exist or have been chosen
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int expert = lane + kWarpSize * i;
    const bool exists = expert < params.num_experts;
    logit[i] = exists ? to_float(__ldcg(logits + expert)) : -INFINITY;
    keys[i] = exists ? key_of(rank_of(logit[i])) : 0;
  }
  Choice choice;
  float largest = 0, mine = 0;
  for (int i = 0; i < params.k; ++i) {
    uint32_t key = 0;
    int expert = INT_MAX;
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      if (keys[j] > key) {
        key = keys[j];
        expert = lane + kWarpSize * j;
      }
    }
    const uint32_t best = __reduce_max_sync(0xffffffffu, key);
    const int id = __reduce_min_sync(0xffffffffu, key == best ? expert : INT_MAX);
    if (i == 0) largest = number_of(best);
    if (lane == i) {
      choice.id = id;
      mine = number_of(best);
    }
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      if (id == lane + kWarpSize * j) keys[j] = 0;
    }
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    if (lane + kWarpSize * i < params.num_experts) sum += expf(logit[i] - largest);
  }
  sum = warp_reduce(sum, Sum());
  if (lane < params.k) choice.weight = expf(mine - largest) / sum;
  if (params.renormalize) choice.weight /= warp_reduce(choice.weight, Sum());
  return choice;
}

/// Of one token, by a warp.
template <class T>
__device__ __forceinline__ void route_token(const RouteParams& params, int64_t token) {
  const int lane = threadIdx.x % kWarpSize;
  if (params.num_experts <= kMaxChosenFrom && params.k <= kWarpSize) {
    const Choice choice = choose_experts<T>(params, token);
    if (lane < params.k) {
      params.expert_ids[token * params.ids_stride + lane] = choice.id;
      params.expert_weights[token * params.weights_stride + lane] = choice.weight;
    }
    return;
  }
  const T* logits = static_cast<const T*>(params.logits) + token * params.logits_stride;
  float largest = -INFINITY;
  for (int expert = lane; expert < params.num_experts; expert += kWarpSize) {
    largest = fmaxf(largest, rank_of(to_float(logits[expert])));
  }
  largest = warp_reduce(largest, Max());
  float sum = 0;
  for (int expert = lane; expert < params.num_experts; expert += kWarpSize) sum += expf(to_float(logits[expert]) - largest);
  sum = warp_reduce(sum, Sum());

  float* weights = params.expert_weights + token * params.weights_stride;
  int32_t* ids = params.expert_ids + token * params.ids_stride;
  RankedLogit last{INFINITY, -1};
  float chosen = 0;
  for (int i = 0; i < params.k; ++i) {
    RankedLogit best{-INFINITY, INT_MAX};
    for (int expert = lane; expert < params.num_experts; expert += kWarpSize) {
      const RankedLogit candidate{rank_of(to_float(logits[expert])), expert};
      if (last.is_before(candidate) && candidate.is_before(best)) best = candidate;
    }
    last = warp_first(best);
    const float weight = expf(to_float(logits[last.id]) - largest) / sum;
    chosen += weight;
    if (lane == 0) {
      ids[i] = last.id;
      weights[i] = weight;
    }
  }
  if (params.renormalize && lane == 0) {
    for (int i = 0; i < params.k; ++i) weights[i] /= chosen;
  }
}

template <class T>
__global__ void __launch_bounds__(kRouteWarps* kWarpSize) route_kernel(const __grid_constant__ RouteParams params) {
  const int64_t token = int64_t{blockIdx.x} * kRouteWarps + threadIdx.x / kWarpSize;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (token < params.num_tokens) route_token<T>(params, token);
}

}  // namespace sgl::cuda
