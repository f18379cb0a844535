#pragma once

#include "cuda/kernels/attention/attention_params.hpp"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/exp2.cuh"
#include "cuda/ptx/ldmatrix.cuh"
#include "cuda/ptx/mma.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// What decode and prefill share: rows of the caches on their way to shared memory, and 16 query rows on their way through the
// online softmax. Scores are in units of log2, so that weights are powers of two.

namespace sgl::cuda {

inline constexpr float kLog2E = 1.4426950408889634f;

/// Bytes from one row of a tile in shared memory to the next. An odd number of 16-byte units, so that the eight rows of a
/// matrix that ldmatrix reads lie in different banks.
template <int kDim>
inline constexpr int kRowBytes = kDim * 2 + 16;

/// Row of the cache, counting all heads and pages, that holds key `row_in_page` of `page`. Fits 31 bits (see
/// `uses_tensor_cores`).
__device__ __forceinline__ int cache_row(const AttentionParams& params, int page, int kv_head, int row_in_page) {
  return (page * params.num_kv_heads + kv_head) * params.page_size + row_in_page;
}

/// A warp starts copying kRows rows of both caches to shared memory. Lane l names the row number l % kRows, or -1 for a row of
/// zeros; elements past head_dim are zeros as well, so what a product does not need cannot be NaN.
template <int kDim, int kRows>
__device__ __forceinline__ void fetch_rows(uint32_t k_tile, uint32_t v_tile, const AttentionParams& params, int row_of_lane) {
  constexpr int kChunks = kDim / 8;
  constexpr int kNumChunks = kRows * kChunks;
  static_assert(kRows <= kWarpSize, "a lane names one row");
  const int lane = threadIdx.x % kWarpSize;
  const auto* k_cache = static_cast<const bf16*>(params.k_cache);
  const auto* v_cache = static_cast<const bf16*>(params.v_cache);
#pragma unroll
  for (int first = 0; first < kNumChunks; first += kWarpSize) {
    const int row = (first + lane) / kChunks, chunk = (first + lane) % kChunks;
    const int source_row = __shfl_sync(0xffffffffu, row_of_lane, row);
    if (kNumChunks % kWarpSize != 0 && first + lane >= kNumChunks) continue;
    const bool is_valid = source_row >= 0 && chunk * 8 < params.head_dim;
    const int64_t offset = is_valid ? int64_t{source_row} * params.head_dim + chunk * 8 : 0;
    const uint32_t place = row * kRowBytes<kDim> + chunk * 16;
    ptx::cp_async_16(k_tile + place, k_cache + offset, is_valid);
    ptx::cp_async_16(v_tile + place, v_cache + offset, is_valid);
  }
}

__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const uint32_t&>(pair);
}

/// The left operand of mma for 16 keys, from the weights of their two tiles.
__device__ __forceinline__ void pack_weights(uint32_t (&weights)[4], const float (&low)[4], const float (&high)[4]) {
  weights[0] = pack_bf16(low[0], low[1]);
  weights[1] = pack_bf16(low[2], low[3]);
  weights[2] = pack_bf16(high[0], high[1]);
  weights[3] = pack_bf16(high[2], high[3]);
}

/// Where a lane reads a tile of keys [keys, dims] for scores: both halves of k for two neighbouring tiles of 8 keys.
template <int kDim>
__device__ __forceinline__ uint32_t key_offset(int lane) {
  return (lane / 16 * 8 + lane % 8) * kRowBytes<kDim> + lane / 8 % 2 * 16;
}

/// Where a lane reads a tile of values [keys, dims], transposed, or of queries [rows, dims]: 16 rows of two tiles of 8 dims.
template <int kDim>
__device__ __forceinline__ uint32_t row_offset(int lane) {
  return lane % 16 * kRowBytes<kDim> + lane / 16 * 16;
}

/// q.k, scaled and capped, in units of log2: soft_cap * tanh(scale * q.k / soft_cap), tanh(x) = 1 - 2 / (e^2x + 1).
__device__ __forceinline__ float capped_score(float product, const AttentionParams& params) {
  const float tanh_x = 1.0f - __fdividef(2.0f, ptx::exp2_approximate(params.cap_scale * product) + 1.0f);
  return params.soft_cap * kLog2E * tanh_x;
}

/// The first key that the query at `position` sees; the last is its own.
__device__ __forceinline__ int first_visible_key(const AttentionParams& params, int position) {
  return params.window > 0 ? position - params.window + 1 : 0;
}

/// What the row's sums are multiplied with in the end: one over the softmax's denominator, to which a sink adds.
__device__ __forceinline__ float final_factor(const AttentionParams& params, float maximum, float sum, int q_head) {
  if (params.sinks == nullptr) return 1.0f / sum;
  const float sink = params.sinks[q_head] * kLog2E;
  const float larger = fmaxf(maximum, sink);
  const float factor = ptx::exp2_approximate(maximum - larger);
  return factor / (sum * factor + ptx::exp2_approximate(sink - larger));
}

/// 2^(old - now) for running maxima, which are -inf before the first visible key.
__device__ __forceinline__ float rescale_factor(float old_maximum, float maximum) {
  return ptx::exp2_approximate(old_maximum - (maximum == -INFINITY ? 0.0f : maximum));
}

__device__ __forceinline__ void store_pair(bf16* destination, float low, float high, bool by_two) {
  if (by_two) {
    *reinterpret_cast<uint32_t*>(destination) = pack_bf16(low, high);
  } else {
    destination[0] = from_float<bf16>(low);
    destination[1] = from_float<bf16>(high);
  }
}

/// The first element of a query head's result.
__device__ __forceinline__ bf16* out_row(const AttentionParams& params, int64_t token, int64_t q_head) {
  return static_cast<bf16*>(params.out) + token * params.out_stride[0] + q_head * params.out_stride[1];
}

/// 16 query rows in one warp. Of every 8 dims a lane holds dims 2t and 2t + 1 of rows g ([0..1]) and g + 8 ([2..3]), where
/// g = lane / 4 and t = lane % 4, as mma leaves them.
template <int kDimTiles>
struct RowTile {
  float out[kDimTiles][4];
  float maximum[2];
  float sum[2];  // of the lane's own columns, until `finish`

  __device__ __forceinline__ void clear_out() {
#pragma unroll
    for (int tile = 0; tile < kDimTiles; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) out[tile][i] = 0;
    }
  }

  __device__ __forceinline__ void reset() {
    clear_out();
    maximum[0] = maximum[1] = -INFINITY;
    sum[0] = sum[1] = 0;
  }

  /// Turns products q.k of kKeyTiles x 8 keys from `first_key` on into weights and takes them into maximum and sum. `position`
  /// is that of rows g and g + 8; keys from `key_end` on do not count. Returns what `out` of both rows must be multiplied with
  /// before the weighted values are added.
  template <int kKeyTiles>
  __device__ __forceinline__ float2 weigh(float (&scores)[kKeyTiles][4], const AttentionParams& params, int first_key,
                                          int key_end, const int (&position)[2]) {
    constexpr int kKeys = kKeyTiles * 8;
    // Usually the scale waits for the exponent's subtraction, with which it is one instruction; it must not change the order.
    float scale = params.log2_scale;
    if (params.soft_cap > 0) {
#pragma unroll
      for (int tile = 0; tile < kKeyTiles; ++tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) scores[tile][i] = capped_score(scores[tile][i], params);
      }
      scale = 1;
    } else if (scale <= 0) {
#pragma unroll
      for (int tile = 0; tile < kKeyTiles; ++tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) scores[tile][i] *= scale;
      }
      scale = 1;
    }
    // Row g + 8 is at the same position as row g or after it.
    const bool needs_mask =
        first_key + kKeys > min(position[0] + 1, key_end) || first_key < first_visible_key(params, position[1]);
    if (__any_sync(0xffffffffu, needs_mask)) {  // by the whole warp, whose products may be on their way
      // Columns that row g or g + 8 sees, counted from the lane's first.
      const int lane_key = first_key + threadIdx.x % 4 * 2;
      const int end[2] = {min(position[0] + 1, key_end) - lane_key, min(position[1] + 1, key_end) - lane_key};
#pragma unroll
      for (int tile = 0; tile < kKeyTiles; ++tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (tile * 8 + i % 2 >= end[i / 2]) scores[tile][i] = -INFINITY;
        }
      }
      if (params.window > 0) {
        const int begin[2] = {first_visible_key(params, position[0]) - lane_key,
                              first_visible_key(params, position[1]) - lane_key};
#pragma unroll
        for (int tile = 0; tile < kKeyTiles; ++tile) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            if (tile * 8 + i % 2 < begin[i / 2]) scores[tile][i] = -INFINITY;
          }
        }
      }
    }
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float larger = -INFINITY;
#pragma unroll
      for (int tile = 0; tile < kKeyTiles; ++tile) {
        larger = fmaxf(larger, fmaxf(scores[tile][2 * half], scores[tile][2 * half + 1]));
      }
      larger = fmaxf(larger, __shfl_xor_sync(0xffffffffu, larger, 1));
      larger = fmaxf(larger, __shfl_xor_sync(0xffffffffu, larger, 2));
      larger = fmaxf(maximum[half], larger * scale);
      factor[half] = rescale_factor(maximum[half], larger);
      maximum[half] = larger;
      sum[half] *= factor[half];
      const float base = larger == -INFINITY ? 0.0f : larger;
#pragma unroll
      for (int tile = 0; tile < kKeyTiles; ++tile) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[tile][i] = ptx::exp2_approximate(fmaf(scores[tile][i], scale, -base));
          sum[half] += scores[tile][i];
        }
      }
    }
    return {factor[0], factor[1]};
  }

  /// Where no maximum of the warp has moved, factors are 1 and nothing is done.
  __device__ __forceinline__ void rescale(float2 factors) {
    if (__any_sync(0xffffffffu, factors.x != 1.0f || factors.y != 1.0f)) scale(factors);
  }

  __device__ __forceinline__ void scale(float2 factors) {
#pragma unroll
    for (int tile = 0; tile < kDimTiles; ++tile) {
      out[tile][0] *= factors.x;
      out[tile][1] *= factors.x;
      out[tile][2] *= factors.y;
      out[tile][3] *= factors.y;
    }
  }

  /// Sums over all columns, in every lane of a row.
  __device__ __forceinline__ void finish() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
      sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
    }
  }
};

}  // namespace sgl::cuda
