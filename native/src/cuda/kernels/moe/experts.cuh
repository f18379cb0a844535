#pragma once

#include "cuda/kernels/gemm/generic.cuh"
#include "cuda/kernels/gemm/stream_product.cuh"
#include "cuda/kernels/moe/pairs.cuh"
#include "cuda/kernels/moe/route.cuh"
#include "cuda/tile/math.cuh"

// Products of experts over grouped tokens, without a word from the host: a first kernel sorts the (token, expert) pairs by
// expert and cuts every touched expert's pairs into tiles; the products' grids have a row of blocks for the most tiles that
// could be, and the blocks past the last tile leave. Nothing is permuted in memory: the gate and up product reads x through the
// pairs' tokens, the down product leaves its results at the pairs' places, and `combine` picks them up in the order of k.
//
// With few tokens the bound is reading the touched experts' weights once.

namespace sgl::cuda {

inline constexpr int kGroupThreads = 1024;

/// Dynamic shared memory: a counter an expert.
__global__ void __launch_bounds__(kGroupThreads) group_pairs_kernel(const __grid_constant__ GroupParams params) {
  extern __shared__ int32_t counts[];  // [num_experts], later where an expert's next pair goes
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  for (int expert = threadIdx.x; expert < params.num_experts; expert += kGroupThreads) counts[expert] = 0;
  if (params.route.logits != nullptr) {
    for (int64_t token = threadIdx.x / kWarpSize; token < params.route.num_tokens; token += kGroupThreads / kWarpSize) {
      params.has_f32_logits ? route_token<float>(params.route, token) : route_token<bf16>(params.route, token);
    }
  }
  __syncthreads();
  const auto expert_of = [&](int choice) {
    const int64_t token = choice / params.k;
    return local_expert(params.expert_ids[token * params.ids_stride + choice % params.k], params.first_expert,
                        params.num_experts);
  };
  for (int choice = threadIdx.x; choice < params.num_choices; choice += kGroupThreads) {
    const int expert = expert_of(choice);
    if (expert >= 0) atomicAdd(&counts[expert], 1);
  }
  __syncthreads();

  if (threadIdx.x < kWarpSize) {
    // Each lane owns neighbouring experts: sums of its own, then of the lanes before it.
    const int per_lane = (params.num_experts + kWarpSize - 1) / kWarpSize;
    const int begin = min(static_cast<int>(threadIdx.x) * per_lane, params.num_experts);
    const int end = min(begin + per_lane, params.num_experts);
    int num_pairs = 0, num_tiles = 0;
    for (int expert = begin; expert < end; ++expert) {
      num_pairs += counts[expert];
      num_tiles += (counts[expert] + params.pairs_per_tile - 1) / params.pairs_per_tile;
    }
    int pairs_through = num_pairs, tiles_through = num_tiles;
#pragma unroll
    for (int distance = 1; distance < kWarpSize; distance *= 2) {
      const int pairs_before = __shfl_up_sync(0xffffffffu, pairs_through, distance);
      const int tiles_before = __shfl_up_sync(0xffffffffu, tiles_through, distance);
      if (threadIdx.x >= distance) {
        pairs_through += pairs_before;
        tiles_through += tiles_before;
      }
    }
    if (threadIdx.x == kWarpSize - 1) *params.num_tiles = tiles_through;
    int pair = pairs_through - num_pairs, tile = tiles_through - num_tiles;
    for (int expert = begin; expert < end; ++expert) {
      const int count = counts[expert];
      for (int first = 0; first < count; first += params.pairs_per_tile) {
        params.tiles[tile++] = PairTile{expert, pair + first, min(params.pairs_per_tile, count - first)};
      }
      counts[expert] = pair;
      pair += count;
    }
  }
  __syncthreads();
  // The order of an expert's pairs is that of these atomics. No result depends on it: a pair's row is computed alone.
  for (int choice = threadIdx.x; choice < params.num_choices; choice += kGroupThreads) {
    const int expert = expert_of(choice);
    const int pair = expert >= 0 ? atomicAdd(&counts[expert], 1) : -1;
    params.pair_of_choice[choice] = pair;
    if (pair >= 0) params.token_of_pair[pair] = choice / params.k;
  }
}

/// Few pairs an expert, bf16: weights streamed through tensor cores as in few_rows_kernel. Gated results are bf16, others f32.
template <class Config, bool kIsGated>
__global__ void __launch_bounds__(Config::kThreads, 2)
    stream_experts_kernel(const __grid_constant__ ExpertProductParams params) {
  static_assert(!kIsGated || Config::kWeightTiles == 2, "a gate tile and its up tile");
  __shared__ float sums[Config::kSharedFloats];
  constexpr int kColumns = kIsGated ? 16 : Config::kWeightRows;
  // The gate and up product lets its successor begin only after its own wait, so when the down product begins, the tiles are
  // written: its weights are asked for while the rest of the gate and up product runs. `stream_product` waits for that.
  if constexpr (kIsGated) ptx::wait_for_predecessor();
  PairTile pairs;
  if (!params.find_tile(blockIdx.y, pairs)) {
    // Whoever waits for this kernel counts on all work before it.
    ptx::wait_for_predecessor();
    return;
  }
  const int first_column = blockIdx.x * kColumns;
  const int lane = threadIdx.x % kWarpSize;
  const bf16* weight = static_cast<const bf16*>(params.weight) + pairs.expert * params.expert_stride;

  StreamOperands<Config> operands;
#pragma unroll
  for (int tile = 0; tile < Config::kWeightTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int column = min(first_column + (kIsGated ? 0 : tile * 16) + half * 8 + lane / 4, params.width - 1);
      const int64_t row = kIsGated && tile == 1 ? int64_t{params.width} + column : column;
      operands.weight[tile][half] = weight + row * params.in_features + lane % 4 * 8;
    }
  }
#pragma unroll
  for (int tile = 0; tile < Config::kRowTiles; ++tile) {
    const int pair = pairs.first_pair + min(tile * 8 + lane / 4, pairs.num_pairs - 1);
    operands.x[tile] = static_cast<const bf16*>(params.x) + params.x_row(pair) * params.x_stride + lane % 4 * 8;
  }
  stream_product<Config>(sums, operands, params.in_features);

  for (int i = threadIdx.x; i < kColumns * pairs.num_pairs; i += Config::kThreads) {
    const int row = i / kColumns, column = first_column + i % kColumns;
    if (column >= params.width) continue;
    const float value = total<Config>(sums, i % kColumns, row);
    const int64_t index = int64_t{pairs.first_pair + row} * params.width + column;
    if constexpr (kIsGated) {
      static_cast<bf16*>(params.y)[index] = from_float<bf16>(silu(value) * total<Config>(sums, 16 + i % kColumns, row));
    } else {
      static_cast<float*>(params.y)[index] = value;
    }
  }
}

/// Any type, alignment and shape: a warp makes one column of up to 8 pairs.
template <class T, int kVec, bool kIsGated>
__global__ void __launch_bounds__(kGenericThreads) generic_experts_kernel(const __grid_constant__ ExpertProductParams params) {
  const int64_t column = int64_t{blockIdx.x} * kGenericWarps + threadIdx.x / kWarpSize;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  PairTile pairs;
  if (column >= params.width || !params.find_tile(blockIdx.y, pairs)) return;
  const T* weight = static_cast<const T*>(params.weight) + pairs.expert * params.expert_stride;
  const T* x[kGenericRows];
#pragma unroll
  for (int r = 0; r < kGenericRows; ++r) {
    const int pair = pairs.first_pair + min(r, pairs.num_pairs - 1);
    x[r] = static_cast<const T*>(params.x) + params.x_row(pair) * params.x_stride;
  }
  float acc[kGenericRows] = {}, up[kGenericRows] = {};
  dot_rows<T, kVec>(acc, weight + column * params.in_features, x, params.in_features);
  if constexpr (kIsGated) dot_rows<T, kVec>(up, weight + (params.width + column) * params.in_features, x, params.in_features);
#pragma unroll
  for (int r = 0; r < kGenericRows; ++r) {
    acc[r] = warp_reduce(acc[r], Sum());
    if constexpr (kIsGated) up[r] = warp_reduce(up[r], Sum());
    if (threadIdx.x % kWarpSize == r && r < pairs.num_pairs) {
      const int64_t index = int64_t{pairs.first_pair + r} * params.width + column;
      if constexpr (kIsGated) {
        static_cast<T*>(params.y)[index] = from_float<T>(silu(acc[r]) * up[r]);
      } else {
        static_cast<float*>(params.y)[index] = acc[r];
      }
    }
  }
}

struct CombineParams {
  void* y;                        // [num_tokens, hidden]
  const void* residual;           // the same, or null; may be y
  const float* products;          // [num_pairs, hidden]
  const float* expert_weights;    // [num_tokens, k]
  const int32_t* pair_of_choice;  // [num_tokens, k]; null for a single token
  const int32_t* expert_ids;      // [k] of a single token, else null
  int64_t y_stride;
  int64_t residual_stride;
  int64_t weights_stride;
  int64_t num_tokens;
  int32_t hidden;
  int32_t k;
  int32_t first_expert;
  int32_t num_experts;  // of this rank

  __device__ __forceinline__ int64_t pair_of(int64_t token, int i) const {
    if (pair_of_choice != nullptr) return pair_of_choice[token * k + i];
    return local_expert(expert_ids[i], first_expert, num_experts) < 0 ? -1 : i;
  }
};

inline constexpr int kCombineThreads = 256;

/// Sums in f32 in the order of k, then the residual. A token without an expert here adds nothing.
template <class T>
__global__ void __launch_bounds__(kCombineThreads) combine_kernel(const __grid_constant__ CombineParams params) {
  const int column = blockIdx.x * kCombineThreads + threadIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (column >= params.hidden) return;
  for (int64_t token = blockIdx.y; token < params.num_tokens; token += gridDim.y) {
    float sum = 0;
    for (int i = 0; i < params.k; ++i) {
      const int64_t pair = params.pair_of(token, i);
      if (pair < 0) continue;
      sum += params.expert_weights[token * params.weights_stride + i] * params.products[pair * params.hidden + column];
    }
    if (params.residual != nullptr) {
      sum += to_float(static_cast<const T*>(params.residual)[token * params.residual_stride + column]);
    }
    static_cast<T*>(params.y)[token * params.y_stride + column] = from_float<T>(sum);
  }
}

}  // namespace sgl::cuda
