#pragma once

#include "cuda/ptx/cp_async.cuh"
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

/// A norm of the activation rows inside the product: elements are multiplied with its weight on their way, and what the whole
/// row is divided by follows from the sums of squares that are left beside the product's sums.
template <class Config>
struct StreamNorm {
  const bf16* weight;  // [in_features]
  bf16* staged;        // [in_features] in shared memory, until the product's sums are written
  float* squares;      // [kWarps][kRows] in shared memory

  /// Before the product's own accesses, which would keep the memory from these for long.
  __device__ __forceinline__ void begin_staging(int in_features) const {
    for (int i = threadIdx.x * 8; i < in_features; i += Config::kThreads * 8) {
      ptx::cp_async_16(ptx::shared_address(staged + i), weight + i, true);
    }
    ptx::cp_async_commit();
  }

  /// Ends with a barrier.
  __device__ __forceinline__ void end_staging() const {
    ptx::cp_async_wait<0>();
    __syncthreads();
  }

  /// Two elements, and their squares to `sum`.
  __device__ __forceinline__ static uint32_t scaled(uint32_t pair, uint32_t factors, float& sum) {
    const float low = __uint_as_float(pair << 16), high = __uint_as_float(pair & 0xffff0000u);
    sum += low * low;
    sum += high * high;
    const __nv_bfloat162 product =
        __hmul2(reinterpret_cast<const __nv_bfloat162&>(pair), reinterpret_cast<const __nv_bfloat162&>(factors));
    return reinterpret_cast<const uint32_t&>(product);
  }

  __device__ __forceinline__ uint4 scaled(const uint4& x, int k, float& sum) const {
    const uint4 factors = *reinterpret_cast<const uint4*>(staged + k);
    return make_uint4(scaled(x.x, factors.x, sum), scaled(x.y, factors.y, sum), scaled(x.z, factors.z, sum),
                      scaled(x.w, factors.w, sum));
  }

  /// What a lane has summed up of its activation row; the four of a row together have its warp's part.
  __device__ __forceinline__ void leave(int row_tile, float sum) const {
    const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    if (lane % 4 == 0) squares[warp * Config::kRows + row_tile * 8 + lane / 4] = sum;
  }

  /// After the barrier of the product.
  __device__ __forceinline__ float scale(int row, int in_features, float eps) const {
    float sum = 0;
#pragma unroll
    for (int warp = 0; warp < Config::kWarps; ++warp) sum += squares[warp * Config::kRows + row];
    return 1.0f / sqrtf(sum / static_cast<float>(in_features) + eps);
  }
};

/// A lane's sums, as mma lays them out.
template <class Config>
using StreamSums = float[Config::kWeightTiles][Config::kRowTiles][4];

/// acc += the turns of this warp: features k, k + step, ... below `in_features`. `prepare()` is called once the first weights
/// are on their way, and x is read behind it; `scale(v, k, row_tile)` gives what the 8 elements v of x from k on are multiplied
/// as.
template <class Config, class Prepare, class Scale>
__device__ __forceinline__ void stream_turns(StreamSums<Config>& acc, const StreamOperands<Config>& operands, int k, int step,
                                             int in_features, const Prepare& prepare, const Scale& scale) {
  constexpr int kWeightTiles = Config::kWeightTiles, kRowTiles = Config::kRowTiles, kBlocks = Config::kBlocksPerTurn;
  const int place = threadIdx.x % 4 * 8;

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

  const auto multiply = [&](const Turn& turn, int k) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
      for (int row_tile = 0; row_tile < kRowTiles; ++row_tile) {
        const uint4 v = scale(x[block][row_tile], k + 32 * block + place, row_tile);
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
  Turn even, odd;
  load_weight(even, k);
  load_weight(odd, k + step);
  prepare();
  load_x(k);
  for (; k < in_features; k += 2 * step) {
    multiply(even, k);
    load_x(k + step);
    load_weight(even, k + 2 * step);
    if (k + step >= in_features) break;
    multiply(odd, k + step);
    load_x(k + 2 * step);
    load_weight(odd, k + 3 * step);
  }
}

/// x as it is.
struct Unscaled {
  __device__ __forceinline__ uint4 operator()(const uint4& v, int, int) const { return v; }
};

/// sums[warp][weight row][activation row] = acc, in shared memory; ends with a barrier.
template <class Config>
__device__ __forceinline__ void share_sums(float* sums, const StreamSums<Config>& acc) {
  constexpr int kWeightTiles = Config::kWeightTiles, kRowTiles = Config::kRowTiles;
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
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

/// The block's tile, its features dealt out to the warps: sums as by share_sums. With a norm they may take the place of its
/// weight.
template <class Config, bool kHasNorm = false>
__device__ __forceinline__ void stream_product(float* sums, const StreamOperands<Config>& operands, int in_features,
                                               const StreamNorm<Config>& norm = {}) {
  constexpr int kRowTiles = Config::kRowTiles;
  const int first = static_cast<int>(threadIdx.x) / kWarpSize * Config::kTurn, step = Config::kWarps * Config::kTurn;
  StreamSums<Config> acc = {};
  if constexpr (kHasNorm) {
    float squares[kRowTiles] = {};
    norm.begin_staging(in_features);
    const auto prepare = [&] {
      ptx::allow_successor();
      norm.end_staging();
      ptx::wait_for_predecessor();
    };
    // Past the end x is zero, and any factor will do.
    const auto scale = [&](const uint4& v, int k, int row_tile) {
      return norm.scaled(v, min(k, in_features - 8), squares[row_tile]);
    };
    stream_turns<Config>(acc, operands, first, step, in_features, prepare, scale);
#pragma unroll
    for (int row_tile = 0; row_tile < kRowTiles; ++row_tile) norm.leave(row_tile, squares[row_tile]);
    __syncthreads();  // all have read the norm's weight
  } else {
    const auto prepare = [] {
      ptx::allow_successor();
      ptx::wait_for_predecessor();
    };
    stream_turns<Config>(acc, operands, first, step, in_features, prepare, Unscaled());
  }
  share_sums<Config>(sums, acc);
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
