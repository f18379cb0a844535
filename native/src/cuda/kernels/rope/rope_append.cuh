#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// From the projections of q, k and v to a rotated q and a filled cache. Bound by memory: every head once in, once out. A warp
// belongs to a head of a token and keeps it in registers between the norm and the rotation.

namespace sgl::cuda {

inline constexpr int kRopeAppendWarps = 8;
inline constexpr int kRopeAppendThreads = kRopeAppendWarps * kWarpSize;
inline constexpr int kMaxRopeHeadDim = 256;

struct RopeAppendParams {
  void* q;        // [num_tokens, num_q_heads, head_dim]
  const void* k;  // [num_tokens, num_kv_heads, head_dim]
  const void* v;
  void* k_cache;  // [num_pages, num_kv_heads, page_size, head_dim]
  void* v_cache;
  const int32_t* slots;      // [num_tokens]
  const int32_t* positions;  // [num_tokens]
  const float* cos_sin;      // [max_position, 2 * half]
  const void* q_norm;        // [head_dim] or null
  const void* k_norm;
  int64_t q_stride[2];
  int64_t k_stride[2];
  int64_t v_stride[2];
  int64_t cos_sin_stride;
  int64_t max_position;
  int64_t num_slots;
  int32_t num_q_heads;
  int32_t num_kv_heads;
  int32_t head_dim;
  int32_t half;
  int32_t page_size;
  float eps;
};

/// kPairs neighbouring pairs of a head in each lane at a time; with two, rows must be aligned to four elements.
template <class T, int kPairs, bool kInterleaved>
__global__ void __launch_bounds__(kRopeAppendThreads) rope_append_kernel(const __grid_constant__ RopeAppendParams params) {
  constexpr int kSteps = kMaxRopeHeadDim / 2 / kWarpSize / kPairs;
  constexpr int kRestSteps = kMaxRopeHeadDim / kWarpSize;
  const int64_t token = blockIdx.x;
  int head = static_cast<int>(blockIdx.y) * kRopeAppendWarps + threadIdx.x / kWarpSize;
  const int lane = threadIdx.x % kWarpSize;
  ptx::allow_successor();
  const bool is_q = head < params.num_q_heads, is_v = head >= params.num_q_heads + params.num_kv_heads;

  // Places, tables and weights are written by copies, not by kernels, so complete before any kernel after them starts: they
  // are on their way while the projections end.
  const int64_t slot = params.slots[token], position = params.positions[token];
  const bool is_rotated = position >= 0 && position < params.max_position;
  const float* cos = params.cos_sin + (is_rotated ? position : 0) * params.cos_sin_stride;
  Vec<float, kPairs> cosines[kSteps], sines[kSteps];
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int pair = (step * kWarpSize + lane) * kPairs;
    if (pair >= params.half) continue;
    cosines[step] = load_vec<kPairs>(cos + pair);
    sines[step] = load_vec<kPairs>(cos + params.half + pair);
  }
  ptx::wait_for_predecessor();
  if (head >= params.num_q_heads + 2 * params.num_kv_heads) return;
  const T* source;
  T* destination;
  if (is_q) {
    destination = static_cast<T*>(params.q) + token * params.q_stride[0] + head * params.q_stride[1];
    source = destination;
  } else {
    if (slot < 0 || slot >= params.num_slots) return;
    head -= params.num_q_heads + (is_v ? params.num_kv_heads : 0);
    const int64_t page = slot / params.page_size, row_in_page = slot % params.page_size;
    const int64_t row = (page * params.num_kv_heads + head) * params.page_size + row_in_page;
    destination = static_cast<T*>(is_v ? params.v_cache : params.k_cache) + row * params.head_dim;
    source = is_v ? static_cast<const T*>(params.v) + token * params.v_stride[0] + head * params.v_stride[1]
                  : static_cast<const T*>(params.k) + token * params.k_stride[0] + head * params.k_stride[1];
  }
  if (is_v) {
    for (int i = lane * kPairs; i < params.head_dim; i += kWarpSize * kPairs) {
      store_vec(destination + i, load_vec<kPairs>(source + i));
    }
    return;
  }

  // Columns of the pairs that begin at `pair`, and the columns past those that rotate.
  const auto column_of = [&](int pair, bool is_second) {
    if constexpr (kInterleaved) return 2 * pair + (is_second ? kPairs : 0);
    return pair + (is_second ? params.half : 0);
  };
  Vec<T, kPairs> low[kSteps], high[kSteps];  // interleaved: the first and the second half of 2 * kPairs neighbours
  T rest[kRestSteps];
  const int rest_begin = 2 * params.half;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int pair = (step * kWarpSize + lane) * kPairs;
    if (pair >= params.half) continue;
    low[step] = load_vec<kPairs>(source + column_of(pair, false));
    high[step] = load_vec<kPairs>(source + column_of(pair, true));
  }
#pragma unroll
  for (int step = 0; step < kRestSteps; ++step) {
    const int column = rest_begin + step * kWarpSize + lane;
    if (column < params.head_dim) rest[step] = source[column];
  }

  const T* norm = static_cast<const T*>(is_q ? params.q_norm : params.k_norm);
  if (norm != nullptr) {
    float sum = 0;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if ((step * kWarpSize + lane) * kPairs >= params.half) continue;
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        const float a = to_float(low[step][i]), b = to_float(high[step][i]);
        sum += a * a + b * b;
      }
    }
#pragma unroll
    for (int step = 0; step < kRestSteps; ++step) {
      if (rest_begin + step * kWarpSize + lane < params.head_dim) sum += to_float(rest[step]) * to_float(rest[step]);
    }
    sum = warp_reduce(sum, Sum());
    const float scale = 1.0f / sqrtf(sum / static_cast<float>(params.head_dim) + params.eps);
    const auto normalise = [&](T& value, int column) {
      value = from_float<T>(to_float(value) * scale * to_float(norm[column]));
    };
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int pair = (step * kWarpSize + lane) * kPairs;
      if (pair >= params.half) continue;
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        normalise(low[step][i], column_of(pair, false) + i);
        normalise(high[step][i], column_of(pair, true) + i);
      }
    }
#pragma unroll
    for (int step = 0; step < kRestSteps; ++step) {
      const int column = rest_begin + step * kWarpSize + lane;
      if (column < params.head_dim) normalise(rest[step], column);
    }
  }

  const auto rotate = [&](T& first, T& second, float c, float s) {
    if (!is_rotated) return;
    const float a = to_float(first), b = to_float(second);
    first = from_float<T>(a * c - b * s);
    second = from_float<T>(b * c + a * s);
  };
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int pair = (step * kWarpSize + lane) * kPairs;
    if (pair >= params.half) continue;
    const Vec<float, kPairs>&c = cosines[step], &s = sines[step];
    if constexpr (kInterleaved && kPairs == 2) {
      rotate(low[step][0], low[step][1], c[0], s[0]);
      rotate(high[step][0], high[step][1], c[1], s[1]);
    } else {
#pragma unroll
      for (int i = 0; i < kPairs; ++i) rotate(low[step][i], high[step][i], c[i], s[i]);
    }
    store_vec(destination + column_of(pair, false), low[step]);
    store_vec(destination + column_of(pair, true), high[step]);
  }
#pragma unroll
  for (int step = 0; step < kRestSteps; ++step) {
    const int column = rest_begin + step * kWarpSize + lane;
    if (column < params.head_dim) destination[column] = rest[step];
  }
}

}  // namespace sgl::cuda
