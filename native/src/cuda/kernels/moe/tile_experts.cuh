#pragma once

#include "cuda/kernels/moe/pairs.cuh"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/ptx/ldmatrix.cuh"
#include "cuda/ptx/mma.cuh"
#include "cuda/tile/math.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// Products of experts with many pairs each: bound by arithmetic. A block multiplies 64 pairs by 128 weight rows; with a gate
// those are 64 gate rows and their 64 up rows, 16 of each a warp, so that a lane holds both of every result. Both operands come
// through a ring of stages of 64 features in shared memory, whose 16-byte chunks are swizzled by their row.

namespace sgl::cuda {

struct TileConfig {
  static constexpr int kPairs = 64;
  static constexpr int kWeightRows = 128;
  static constexpr int kFeatures = 64;  // of a stage: a row is 128 bytes, 8 chunks
  static constexpr int kStages = 4;
  static constexpr int kWarpsAlongPairs = 2;
  static constexpr int kWarpsAlongRows = 4;
  static constexpr int kThreads = kWarpsAlongPairs * kWarpsAlongRows * kWarpSize;
  static constexpr int kPairTiles = kPairs / kWarpsAlongPairs / 16;    // of a warp
  static constexpr int kRowTiles = kWeightRows / kWarpsAlongRows / 8;  // of a warp
  static constexpr int kChunks = kFeatures / 8;
  static constexpr int kStageBytes = (kPairs + kWeightRows) * kFeatures * 2;
  static constexpr int kSharedBytes = kStages * kStageBytes;
};

template <bool kIsGated>
__global__ void __launch_bounds__(TileConfig::kThreads, 2)
    tile_experts_kernel(const __grid_constant__ ExpertProductParams params) {
  using C = TileConfig;
  constexpr int kColumns = kIsGated ? C::kWeightRows / 2 : C::kWeightRows;  // of y
  constexpr int kRowsPerWarp = C::kWeightRows / C::kWarpsAlongRows;
  extern __shared__ __align__(128) unsigned char stages[];
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  PairTile pairs;
  if (!params.find_tile(blockIdx.y, pairs)) return;
  const int first_column = blockIdx.x * kColumns;
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int warp_along_pairs = warp / C::kWarpsAlongRows, warp_along_rows = warp % C::kWarpsAlongRows;
  const uint32_t shared = ptx::shared_address(stages);

  // Each thread copies the same chunk of a few rows at every stage. Rows past the end repeat one that exists.
  constexpr int kRowsPerTurn = C::kThreads / C::kChunks;
  constexpr int kPairCopies = C::kPairs / kRowsPerTurn, kWeightCopies = C::kWeightRows / kRowsPerTurn;
  const int chunk = threadIdx.x % C::kChunks, copied_row = threadIdx.x / C::kChunks;
  const bf16* x[kPairCopies];
  const bf16* weight[kWeightCopies];
#pragma unroll
  for (int i = 0; i < kPairCopies; ++i) {
    const int pair = pairs.first_pair + min(copied_row + i * kRowsPerTurn, pairs.num_pairs - 1);
    x[i] = static_cast<const bf16*>(params.x) + params.x_row(pair) * params.x_stride + chunk * 8;
  }
#pragma unroll
  for (int i = 0; i < kWeightCopies; ++i) {
    const int row = copied_row + i * kRowsPerTurn;
    int64_t weight_row;
    if constexpr (kIsGated) {
      const int in_warp = row % kRowsPerWarp, half = kRowsPerWarp / 2;
      const int column = min(first_column + row / kRowsPerWarp * half + in_warp % half, params.width - 1);
      weight_row = in_warp < half ? column : int64_t{params.width} + column;
    } else {
      weight_row = min(first_column + row, params.width - 1);
    }
    weight[i] = static_cast<const bf16*>(params.weight) + pairs.expert * params.expert_stride +
                weight_row * params.in_features + chunk * 8;
  }
  /// Where chunk `c` of a row lies in a stage; weight rows follow the pairs.
  const auto place = [](int row, int c) { return static_cast<uint32_t>(row * C::kFeatures * 2 + (c ^ (row % 8)) * 16); };
  const int num_steps = (params.in_features + C::kFeatures - 1) / C::kFeatures;
  const auto copy_stage = [&](int step) {
    if (step < num_steps) {
      const uint32_t stage = shared + step % C::kStages * C::kStageBytes;
      const int feature = step * C::kFeatures;
      const bool is_valid = feature + chunk * 8 < params.in_features;
      const int offset = is_valid ? feature : 0;
#pragma unroll
      for (int i = 0; i < kPairCopies; ++i) {
        ptx::cp_async_16(stage + place(copied_row + i * kRowsPerTurn, chunk), x[i] + offset, is_valid);
      }
#pragma unroll
      for (int i = 0; i < kWeightCopies; ++i) {
        ptx::cp_async_16(stage + place(C::kPairs + copied_row + i * kRowsPerTurn, chunk), weight[i] + offset, is_valid);
      }
    }
    ptx::cp_async_commit();  // an empty group keeps the count of pending ones right
  };

  float acc[C::kPairTiles][C::kRowTiles][4] = {};
  for (int step = 0; step < C::kStages - 1; ++step) copy_stage(step);
  for (int step = 0; step < num_steps; ++step) {
    ptx::cp_async_wait<C::kStages - 2>();
    // The stage is complete for all threads, and all have left the one that is overwritten next.
    __syncthreads();
    copy_stage(step + C::kStages - 1);
    const uint32_t stage = shared + step % C::kStages * C::kStageBytes;
#pragma unroll
    for (int k = 0; k < C::kChunks; k += 2) {
      uint32_t a[C::kPairTiles][4], b[C::kRowTiles / 2][4];
#pragma unroll
      for (int tile = 0; tile < C::kPairTiles; ++tile) {
        const int row = (warp_along_pairs * C::kPairTiles + tile) * 16 + lane % 16;
        ptx::load_matrices(a[tile], stage + place(row, k + lane / 16));
      }
#pragma unroll
      for (int tile = 0; tile < C::kRowTiles / 2; ++tile) {
        const int row = C::kPairs + warp_along_rows * kRowsPerWarp + tile * 16 + lane / 16 * 8 + lane % 8;
        ptx::load_matrices(b[tile], stage + place(row, k + lane / 8 % 2));
      }
#pragma unroll
      for (int i = 0; i < C::kPairTiles; ++i) {
#pragma unroll
        for (int j = 0; j < C::kRowTiles; ++j) {
          ptx::mma_bf16(acc[i][j], a[i][0], a[i][1], a[i][2], a[i][3], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }
  ptx::cp_async_wait<0>();

  // Widths are multiples of 8 here, so a lane's two neighbouring columns are both there or neither.
#pragma unroll
  for (int i = 0; i < C::kPairTiles; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = (warp_along_pairs * C::kPairTiles + i) * 16 + half * 8 + lane / 4;
      if (row >= pairs.num_pairs) continue;
      const int64_t start = int64_t{pairs.first_pair + row} * params.width;
#pragma unroll
      for (int j = 0; j < (kIsGated ? C::kRowTiles / 2 : C::kRowTiles); ++j) {
        const int column = first_column + warp_along_rows * (kIsGated ? kRowsPerWarp / 2 : kRowsPerWarp) + j * 8 + lane % 4 * 2;
        if (column >= params.width) continue;
        const float first = acc[i][j][half * 2], second = acc[i][j][half * 2 + 1];
        if constexpr (kIsGated) {
          const float* up = acc[i][j + C::kRowTiles / 2];
          Vec<bf16, 2> out;
          out[0] = from_float<bf16>(silu(first) * up[half * 2]);
          out[1] = from_float<bf16>(silu(second) * up[half * 2 + 1]);
          store_vec(static_cast<bf16*>(params.y) + start + column, out);
        } else {
          Vec<float, 2> out;
          out[0] = first;
          out[1] = second;
          store_vec(static_cast<float*>(params.y) + start + column, out);
        }
      }
    }
  }
}

}  // namespace sgl::cuda
