#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/vec.cuh"

// Rotates q and k in place. Bound by memory: the rotated part of every head once in, once out; the table's rows come from a
// cache. A block belongs to a token; its threads share out the pairs of all heads.

namespace sgl::cuda {

inline constexpr int kRopeThreads = 256;

struct RopeParams {
  void* q;                   // [num_tokens, num_q_heads, head_dim]
  void* k;                   // [num_tokens, num_kv_heads, head_dim]
  const int32_t* positions;  // [num_tokens]
  const float* cos_sin;      // [max_position, 2 * half]
  int64_t q_stride[2];
  int64_t k_stride[2];
  int64_t cos_sin_stride;
  int64_t max_position;
  int32_t num_q_heads;
  int32_t num_kv_heads;
  int32_t half;
};

/// kPairs neighbouring pairs at a time: one for rows of any alignment.
template <class T, int kPairs, bool kInterleaved>
__global__ void __launch_bounds__(kRopeThreads) rope_kernel(const __grid_constant__ RopeParams params) {
  const int64_t token = blockIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  const int64_t position = params.positions[token];
  if (position < 0 || position >= params.max_position) return;
  const float* cos = params.cos_sin + position * params.cos_sin_stride;
  const float* sin = cos + params.half;
  const int per_head = params.half / kPairs;
  const int count = (params.num_q_heads + params.num_kv_heads) * per_head;
  for (int i = threadIdx.x; i < count; i += kRopeThreads) {
    const int head = i / per_head, pair = i % per_head * kPairs;
    T* values = head < params.num_q_heads
                    ? static_cast<T*>(params.q) + token * params.q_stride[0] + head * params.q_stride[1]
                    : static_cast<T*>(params.k) + token * params.k_stride[0] + (head - params.num_q_heads) * params.k_stride[1];
    const auto rotate = [&](T& first, T& second, int p) {
      const float a = to_float(first), b = to_float(second), c = cos[pair + p], s = sin[pair + p];
      first = from_float<T>(a * c - b * s);
      second = from_float<T>(b * c + a * s);
    };
    if constexpr (kInterleaved && kPairs == 1) {
      rotate(values[2 * pair], values[2 * pair + 1], 0);
    } else if constexpr (kInterleaved) {
      constexpr int kPerAccess = 2 * kPairs * sizeof(T) > 16 ? 2 : 1;
#pragma unroll
      for (int part = 0; part < kPerAccess; ++part) {
        constexpr int kSize = 2 * kPairs / kPerAccess;
        T* at = values + 2 * pair + part * kSize;
        Vec<T, kSize> both = load_vec<kSize>(at);
#pragma unroll
        for (int p = 0; p < kSize / 2; ++p) rotate(both[2 * p], both[2 * p + 1], part * kSize / 2 + p);
        store_vec(at, both);
      }
    } else {
      Vec<T, kPairs> first = load_vec<kPairs>(values + pair), second = load_vec<kPairs>(values + params.half + pair);
#pragma unroll
      for (int p = 0; p < kPairs; ++p) rotate(first[p], second[p], p);
      store_vec(values + pair, first);
      store_vec(values + params.half + pair, second);
    }
  }
}

}  // namespace sgl::cuda
