#pragma once

#include "cuda/kernels/gemm/epilogue.cuh"
#include "cuda/kernels/gemm/stream_sm90.hpp"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/ptx/tma.cuh"
#include "cuda/ptx/wgmma.cuh"
#include "cuda/tile/finish_part.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/tile_ring.cuh"

// A product with 9 to 128 activation rows on Hopper: bound by streaming the weight from memory once.
//
// y^T = weight x^T: weight rows are the 64-row operand of wgmma, so the other one is as wide as there are activation rows and
// little is wasted on few. One thread keeps a ring of stages filled by the copy engine (TMA), with weights from before the wait
// on the work before, since weights do not change; warpgroups multiply what has arrived. The tiles of y, each as deep as
// in_features, are one sequence of stages, cut into equal shares for the workers, so that all processors end together. Of a
// tile that is cut every worker leaves its part in memory, and the last to finish adds them up in their order and stores y.
//
// Measured on one H100 80GB HBM3, Llama-3.1-8B shapes, share of a copy's 2990 GB/s at 16 / 32 / 64 rows: gate_up 98 / 97 / 95
// %, down 96 / 96 / 93 %, lm_head 99 / 99 / 95 %; qkv 83 / 84 / 78 %, o 79 / 79 / 74 %, which take 17 and 11 us by their bytes
// and 3 to 4 us more from one product's last stage to the next one's first. By time stamps at 32 rows a block whose tile is cut
// leaves 3 us after its last stage, and the one that adds up 4 to 8: each of its trips to the second-level cache meets the next
// product's first copies. Tried and lost: all processors busy to the end whatever the tiles (more parts: 6 % slower), two
// smaller rings a processor (no gain at 32 rows, 3 % slower at 64), rings of half a processor so that the next product's block
// starts beside the last one's (6 % slower), one that is to add up polling for the parts (a third slower in the engine), 64-row
// tiles, pairs of blocks that share x or the weight by multicast (half the rate).

namespace sgl::cuda {

template <int kMostRows, bool kHasGate>
struct StreamSm90Config {
  static constexpr StreamSm90Shape kShape = stream_sm90_shape(kMostRows, kHasGate);
  static constexpr bool kIsGated = kHasGate;
  static constexpr int kRows = kShape.rows;
  static constexpr int kWarpgroups = kShape.warpgroups;
  static constexpr int kBlocks = kShape.blocks;
  static constexpr int kDepthTiles = kShape.depth_tiles;
  static constexpr int kColumns = kShape.columns();
  static constexpr int kBoxes = kWarpgroups * kBlocks;
  static constexpr int kBoxBytes = 64 * 128;
  static constexpr int kXBytes = kRows * 128;
  static constexpr int kStageBytes = kDepthTiles * (kBoxes * kBoxBytes + kXBytes);
  static constexpr int kStages = (200 << 10) / kStageBytes;
  static constexpr int kConsumerWarps = 4 * kWarpgroups;
  static constexpr int kConsumerThreads = kConsumerWarps * kWarpSize;
  /// Whether warps that multiply need more registers than all threads can have, and take them from a warpgroup of the producer.
  static constexpr bool kTradesRegisters = kWarpgroups == 2 && kBlocks * kRows >= 256;
  static constexpr int kThreads = kConsumerThreads + (kTradesRegisters ? 128 : kWarpSize);
  static constexpr int kSharedBytes = kStages * kStageBytes + 512 + 1024;  // the base is aligned to 1024 by hand
  static constexpr int kPartialFloats = kShape.weight_rows() * kRows;
  static_assert(kStages >= 3, "copies run ahead of products");
  static_assert(2 * 8 * kStages + 8 <= 512, "barriers fit behind the ring");
  static_assert(!kIsGated || kBlocks == 2, "a warpgroup has a block of the gate and its block of up");
  static_assert(kRows % 8 == 0, "stages are whole multiples of 1024 bytes");
};

/// The part of the sequence of stages that a worker takes.
struct StreamRange {
  int begin;
  int end;

  __device__ StreamRange(int worker, int num_workers, int total)
      : begin(static_cast<int>(int64_t{worker} * total / num_workers)),
        end(static_cast<int>((int64_t{worker} + 1) * total / num_workers)) {}

  /// Whose range a stage is in.
  static __device__ int worker_of(int stage, int num_workers, int total) {
    return static_cast<int>(((int64_t{stage} + 1) * num_workers - 1) / total);
  }
};

/// The thread that fills the ring.
template <class Config>
struct StreamProducer {
  const StreamSm90Params& params;
  TileRing<Config::kStages> ring;
  StreamRange range;
  uint64_t weight_policy;

  __device__ void load_weight(int unit) const {
    const int tile = unit / params.depth, column = unit % params.depth * Config::kDepthTiles * 64;
    const int first_row = tile * Config::kColumns;
    ptx::mbarrier_arrive_expecting(ring.filled(), Config::kStageBytes);
#pragma unroll
    for (int box = 0; box < Config::kBoxes; ++box) {
      const bool is_up = Config::kIsGated && box >= Config::kBoxes / 2;
      const int row = first_row + box * 64 + (is_up ? params.width - Config::kBoxes / 2 * 64 : 0);
#pragma unroll
      for (int d = 0; d < Config::kDepthTiles; ++d) {
        ptx::tma_load(ring.tile() + (d * Config::kBoxes + box) * Config::kBoxBytes, &params.weight, column + d * 64, row,
                      ring.filled(), weight_policy);
      }
    }
  }

  __device__ void load_x(int unit) const {
    const int column = unit % params.depth * Config::kDepthTiles * 64;
    constexpr int kOffset = Config::kDepthTiles * Config::kBoxes * Config::kBoxBytes;
#pragma unroll
    for (int d = 0; d < Config::kDepthTiles; ++d) {
      ptx::tma_load(ring.tile() + kOffset + d * Config::kXBytes, &params.x, column + d * 64, 0, ring.filled());
    }
  }

  __device__ int num_early() const { return min(Config::kStages, range.end - range.begin); }

  /// What does not wait for the work before.
  __device__ void start() const {
    StreamProducer early = *this;
    for (int i = 0; i < num_early(); ++i, early.ring.next()) early.load_weight(range.begin + i);
  }

  __device__ void run() {
    ptx::wait_for_predecessor();
    for (int unit = range.begin; unit < range.end; ++unit, ring.next()) {
      if (unit >= range.begin + num_early()) {
        ring.wait_free();
        load_weight(unit);
      }
      load_x(unit);
    }
  }
};

/// The warps that multiply.
template <class Config>
struct StreamConsumers {
  __device__ int thread() const { return threadIdx.x; }
  __device__ int num_threads() const { return Config::kConsumerThreads; }
  __device__ void synchronize() const { ptx::named_barrier_wait<Config::kConsumerThreads>(1); }
};

/// A thread's results of 64 weight rows: of each 8 rows of x, those of rows first_row + {0, 1} at columns first_column + {0,
/// 8}.
template <int kTiles>
struct StreamResult {
  float (&values)[kTiles][4];
  int first_row;
  int first_column;
  int num_rows;
  int width;

  template <class Body>
  __device__ __forceinline__ void for_each(const Body& body) const {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = first_row + tile * 8 + i % 2, column = first_column + i / 2 * 8;
        if (row < num_rows && column < width) body(row, column, values[tile][i]);
      }
    }
  }

  // All of the residual is read before any of y is written, for which the compiler would otherwise wait: they may be one.
  template <class T>
  __device__ __forceinline__ void add(const T* residual, int64_t stride) const {
    for_each([&](int64_t row, int column, float& value) { value += to_float(residual[row * stride + column]); });
  }
  template <class T>
  __device__ __forceinline__ void store(T* y, int64_t stride) const {
    for_each([&](int64_t row, int column, float value) { y[row * stride + column] = from_float<T>(value); });
  }

  __device__ __forceinline__ void finish(const Epilogue& epilogue) const {
    if (epilogue.residual != nullptr) {
      if (epilogue.residual_dtype == SGL_F32) {
        add(static_cast<const float*>(epilogue.residual), epilogue.residual_stride);
      } else {
        add(static_cast<const bf16*>(epilogue.residual), epilogue.residual_stride);
      }
    }
    if (epilogue.y_dtype == SGL_F32) {
      store(static_cast<float*>(epilogue.y), epilogue.y_stride);
    } else {
      store(static_cast<bf16*>(epilogue.y), epilogue.y_stride);
    }
  }
};

template <class Config>
struct StreamConsumer {
  static constexpr int kTiles = Config::kRows / 8;
  using Sums = float[Config::kBlocks][kTiles][4];

  const StreamSm90Params& params;
  TileRing<Config::kStages> ring;
  int* is_last;
  Sums sums;

  __device__ void release(uint32_t barrier) const {
    if (threadIdx.x % kWarpSize == 0) ptx::mbarrier_arrive(barrier);
  }

  /// sums = the product of the next `count` stages.
  __device__ void multiply(int count) {
    const int warpgroup = threadIdx.x / 128;
    uint32_t used = 0;
    for (int i = 0; i < count; ++i) {
      ring.wait_filled();
      const uint32_t weight = ring.tile() + warpgroup * Config::kBoxBytes;
      const uint32_t x = ring.tile() + Config::kDepthTiles * Config::kBoxes * Config::kBoxBytes;
      ptx::wgmma_fence();
#pragma unroll
      for (int d = 0; d < Config::kDepthTiles; ++d) {
#pragma unroll
        for (int step = 0; step < 4; ++step) {
#pragma unroll
          for (int block = 0; block < Config::kBlocks; ++block) {
            const uint32_t box = d * Config::kBoxes + block * Config::kWarpgroups;
            ptx::wgmma(sums[block], ptx::WgmmaTile::row_major(weight + box * Config::kBoxBytes + step * 32),
                       ptx::WgmmaTile::row_major(x + d * Config::kXBytes + step * 32), i > 0 || d > 0 || step > 0);
          }
        }
      }
      ptx::wgmma_commit();
      ptx::wgmma_wait<1>();
      if (i > 0) release(used);
      used = ring.free();
      ring.next();
    }
    ptx::wgmma_wait<0>();
#pragma unroll
    for (int block = 0; block < Config::kBlocks; ++block) ptx::wgmma_hold(sums[block]);
    release(used);
  }

  /// The place of this thread's first four values in a worker's part of a tile: 0 the one it ends, 1 the one it begins.
  __device__ float4* part(int worker, int which) const {
    const int64_t index = int64_t{worker} * 2 + which;
    return reinterpret_cast<float4*>(params.partials + index * Config::kPartialFloats) + threadIdx.x;
  }

  /// Whether `sums` are now those of the whole tile, to be stored by this block.
  __device__ bool combine(int worker, int tile, int num_workers, int total) {
    const int first = StreamRange::worker_of(tile * params.depth, num_workers, total);
    const int last = StreamRange::worker_of((tile + 1) * params.depth - 1, num_workers, total);
    if (first == last) return true;
    float4* mine = part(worker, worker == first);
#pragma unroll
    for (int i = 0; i < Config::kBlocks * kTiles; ++i) {
      const float(&v)[4] = sums[i / kTiles][i % kTiles];
      __stcg(mine + i * Config::kConsumerThreads, make_float4(v[0], v[1], v[2], v[3]));
    }
    if (!finish_part(StreamConsumers<Config>(), params.num_done + first, last - first + 1, is_last)) return false;
#pragma unroll
    for (int i = 0; i < Config::kBlocks * kTiles; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[i / kTiles][i % kTiles][j] = 0;
    }
    // Parts beside each other as far as registers allow, since each is a trip to the second-level cache.
    constexpr int kAtOnce = Config::kBlocks * kTiles <= 4 ? 4 : Config::kBlocks * kTiles <= 8 ? 2 : 1;
#pragma unroll kAtOnce
    for (int w = first; w <= last; ++w) {
      const float4* theirs = part(w, w == first);
#pragma unroll
      for (int i = 0; i < Config::kBlocks * kTiles; ++i) {
        const float4 v = __ldcg(theirs + i * Config::kConsumerThreads);
        float(&sum)[4] = sums[i / kTiles][i % kTiles];
        sum[0] += v.x;
        sum[1] += v.y;
        sum[2] += v.z;
        sum[3] += v.w;
      }
    }
    return true;
  }

  /// Bias of the two columns of a result.
  __device__ __forceinline__ void add_bias(float (&values)[kTiles][4], int first_column, int end) const {
    if (params.epilogue.bias == nullptr) return;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int column = first_column + half * 8;
      if (column >= end) continue;
      const float bias = params.epilogue.biased(0, column);
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        values[tile][2 * half] += bias;
        values[tile][2 * half + 1] += bias;
      }
    }
  }

  __device__ void store(int tile) {
    const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
    const int first_column = tile * Config::kColumns + warp / 4 * 64 + warp % 4 * 16 + lane / 4;
    const int first_row = lane % 4 * 2;
    if constexpr (Config::kIsGated) {
      add_bias(sums[0], first_column, params.width);
      add_bias(sums[1], params.width + first_column, 2 * params.width);
#pragma unroll
      for (int i = 0; i < kTiles * 4; ++i) sums[0][i / 4][i % 4] = silu(sums[0][i / 4][i % 4]) * sums[1][i / 4][i % 4];
      StreamResult<kTiles>{sums[0], first_row, first_column, params.num_rows, params.width}.finish(params.epilogue);
    } else {
#pragma unroll
      for (int block = 0; block < Config::kBlocks; ++block) {
        const int column = first_column + block * Config::kWarpgroups * 64;
        add_bias(sums[block], column, params.width);
        StreamResult<kTiles>{sums[block], first_row, column, params.num_rows, params.width}.finish(params.epilogue);
      }
    }
  }

  __device__ void run(int worker, int num_workers, int total) {
    const StreamRange range(worker, num_workers, total);
    ptx::wait_for_predecessor();
    for (int unit = range.begin; unit < range.end;) {
      const int tile = unit / params.depth;
      const int end = min(range.end, (tile + 1) * params.depth);
      multiply(end - unit);
      if (combine(worker, tile, num_workers, total)) store(tile);
      unit = end;
    }
  }
};

/// grid.x workers.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) stream_sm90_kernel(const __grid_constant__ StreamSm90Params params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(16) unsigned char shared[];
  const uint32_t base = (ptx::shared_address(shared) + 1023) / 1024 * 1024;
  const uint32_t ring_bytes = Config::kStages * Config::kStageBytes;
  const TileRing<Config::kStages> ring{base, base + ring_bytes, Config::kStageBytes};
  int* is_last = reinterpret_cast<int*>(shared + (base - ptx::shared_address(shared)) + ring_bytes + 504);
  const int worker = blockIdx.x, num_workers = gridDim.x, total = params.num_tiles * params.depth;
  const bool is_producer = threadIdx.x == Config::kConsumerThreads;
  StreamProducer<Config> producer{params, ring, StreamRange(worker, num_workers, total), 0};
  ptx::allow_successor();
  if (is_producer) {
    producer.weight_policy = ptx::evict_first_policy();
    ring.initialize(1, Config::kConsumerWarps);
    ptx::fence_mbarrier_init();
    producer.start();
  }
  __syncthreads();
  if (threadIdx.x < Config::kConsumerThreads) {
    if constexpr (Config::kTradesRegisters) ptx::raise_registers<232>();
    StreamConsumer<Config>{params, ring, is_last, {}}.run(worker, num_workers, total);
  } else {
    if constexpr (Config::kTradesRegisters) ptx::lower_registers<40>();
    if (is_producer) producer.run();
  }
#endif
}

template <class Config>
StreamSm90Kernel stream_sm90_entry() {
  return {stream_sm90_kernel<Config>, Config::kThreads, Config::kSharedBytes, Config::kPartialFloats};
}

}  // namespace sgl::cuda
