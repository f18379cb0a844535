#pragma once

#include <climits>

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// Softmax and top k of router logits, a warp a token. The order is that of the logits themselves, so equal probabilities of
// different logits cannot swap. A round finds the largest logit behind the last one taken, in the order (falling logit, rising
// expert): nothing needs to be marked, and the logits stay in L1.

namespace sgl::cuda {

inline constexpr int kRouteWarps = 4;

struct RouteParams {
  float* expert_weights;  // [num_tokens, k]
  int32_t* expert_ids;    // [num_tokens, k]
  const void* logits;     // [num_tokens, num_experts]
  int64_t weights_stride;
  int64_t ids_stride;
  int64_t logits_stride;
  int64_t num_tokens;
  int32_t num_experts;
  int32_t k;
  bool renormalize;
};

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

template <class T>
__global__ void __launch_bounds__(kRouteWarps* kWarpSize) route_kernel(const __grid_constant__ RouteParams params) {
  const int64_t token = int64_t{blockIdx.x} * kRouteWarps + threadIdx.x / kWarpSize;
  const int lane = threadIdx.x % kWarpSize;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (token >= params.num_tokens) return;
  const T* logits = static_cast<const T*>(params.logits) + token * params.logits_stride;
  // A NaN ranks last, so that a row of them still names different experts.
  const auto rank_of = [&](int expert) {
    const float logit = to_float(logits[expert]);
    return logit == logit ? logit : -INFINITY;
  };

  float largest = -INFINITY;
  for (int expert = lane; expert < params.num_experts; expert += kWarpSize) largest = fmaxf(largest, rank_of(expert));
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
      const RankedLogit candidate{rank_of(expert), expert};
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

}  // namespace sgl::cuda
