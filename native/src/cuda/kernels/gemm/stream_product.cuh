#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/ptx/load.cuh"
#include "cuda/ptx/mma.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// A tile of a product with few activation rows: bound by streaming the weight from memory once.
//
// Weight rows are the tensor cores' 16-row operand, activation rows the 8-column one, so one mma serves 1 to 8 rows at the same
// cost. The order of k inside a product is free: a lane loads 16 neighbouring bytes of its weight row and the same places of
// its activation row, and takes them as the pairs that the mma layout scatters over k. So nothing passes through shared memory
// before the sum, and a lane has up to 16 accesses of 16 bytes in flight. The warps of a block share out k in turns of
// neighbouring 128 or 256 bytes and add up at the end. Activations come from L1, which the weights leave alone.

namespace sgl::cuda {

template <int kNumWeightTiles, int kNumRowTiles>
struct StreamConfig {
  static constexpr int kWeightTiles = kNumWeightTiles;  // of 16 weight rows
  static constexpr int kRowTiles = kNumRowTiles;        // of 8 activation rows
  static constexpr int kWarps = 8;
  static constexpr int kThreads = kWarps * kWarpSize;
  /// Blocks of 32 along k per turn: 8 accesses per lane.
  static constexpr int kBlocksPerTurn = 4 / kWeightTiles;
  static constexpr int kTurn = 32 * kBlocksPerTurn;
  static constexpr int kWeightRows = 16 * kWeightTiles;
  static constexpr int kRows = 8 * kRowTiles;
  /// One warp's sums, with a gap that spreads the lanes' stores over the banks.
  static constexpr int kSumStride = kRows + 1;
  static constexpr int kSumFloats = kWeightRows * kSumStride;
  static constexpr int kSharedFloats = kWarps * kSumFloats;

  static_assert(kWeightTiles == 1 || kWeightTiles == 2, "a turn is 8 accesses per lane");
  static_assert(kRowTiles <= 2, "more rows do not fit the registers beside two turns of the weight");
  static_assert(kSharedFloats * sizeof(float) <= 48 << 10, "sums fit static shared memory");
};

/// The weight rows and activation rows of a lane, at its place along k. Rows past the end repeat a row that exists.
template <class Config>
struct StreamOperands {
  const bf16* weight[Config::kWeightTiles][2];
  const bf16* x[Config::kRowTiles];
};

/// sums[warp][weight row][activation row] of the block's tile, one part a warp, in shared memory; ends with a barrier.
template <class Config>
__device__ __forceinline__ void stream_product(float* sums, const StreamOperands<Config>& operands, int in_features) {
  constexpr int kWeightTiles = Config::kWeightTiles, kRowTiles = Config::kRowTiles, kBlocks = Config::kBlocksPerTurn;
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int place = lane % 4 * 8;

  using Turn = uint4[kBlocks][kWeightTiles][2];
  const auto load_weight = [&](Turn& turn, int k) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const int at = k + 32 * block;
#pragma unroll
      for (int tile = 0; tile < kWeightTiles; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          turn[block][tile][half] = make_uint4(0, 0, 0, 0);
          if (at + place < in_features) turn[block][tile][half] = ptx::load_streamed(operands.weight[tile][half] + at);
        }
      }
    }
  };

  uint4 x[kBlocks][kRowTiles];
  const auto load_x = [&](int k) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const int at = k + 32 * block;
#pragma unroll
      for (int row_tile = 0; row_tile < kRowTiles; ++row_tile) {
        x[block][row_tile] = make_uint4(0, 0, 0, 0);
        if (at + place < in_features) x[block][row_tile] = *reinterpret_cast<const uint4*>(operands.x[row_tile] + at);
      }
    }
  };

  float acc[kWeightTiles][kRowTiles][4] = {};
  const auto multiply = [&](const Turn& turn) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
      for (int row_tile = 0; row_tile < kRowTiles; ++row_tile) {
        const uint4 v = x[block][row_tile];
#pragma unroll
        for (int tile = 0; tile < kWeightTiles; ++tile) {
          const uint4 low = turn[block][tile][0], high = turn[block][tile][1];
          ptx::mma_bf16(acc[tile][row_tile], low.x, high.x, low.y, high.y, v.x, v.y);
          ptx::mma_bf16(acc[tile][row_tile], low.z, high.z, low.w, high.w, v.z, v.w);
        }
      }
    }
  };

  // Two turns are in flight from before the wait on: weights never change while a stream runs; what x holds is up to the work
  // before. A turn's x is asked for as soon as the last turn's has been used, while its weights are still on their way.
  constexpr int kStep = Config::kWarps * Config::kTurn;
  Turn even, odd;
  int k = warp * Config::kTurn;
  load_weight(even, k);
  load_weight(odd, k + kStep);
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  load_x(k);
  for (; k < in_features; k += 2 * kStep) {
    multiply(even);
    load_x(k + kStep);
    load_weight(even, k + 2 * kStep);
    if (k + kStep >= in_features) break;
    multiply(odd);
    load_x(k + 2 * kStep);
    load_weight(odd, k + 3 * kStep);
  }

  float* mine = sums + warp * Config::kSumFloats;
#pragma unroll
  for (int tile = 0; tile < kWeightTiles; ++tile) {
#pragma unroll
    for (int row_tile = 0; row_tile < kRowTiles; ++row_tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int weight_row = tile * 16 + lane / 4 + i / 2 * 8, row = row_tile * 8 + lane % 4 * 2 + i % 2;
        mine[weight_row * Config::kSumStride + row] = acc[tile][row_tile][i];
      }
    }
  }
  __syncthreads();
}

/// The sum of all warps' parts, in a fixed order.
template <class Config>
__device__ __forceinline__ float total(const float* sums, int weight_row, int row) {
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < Config::kWarps; ++warp) {
    sum += sums[warp * Config::kSumFloats + weight_row * Config::kSumStride + row];
  }
  return sum;
}

}  // namespace sgl::cuda
