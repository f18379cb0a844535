#pragma once

#include "cuda/kernels/gemm/cluster_sm90.hpp"
#include "cuda/ptx/cluster.cuh"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/ptx/tma.cuh"
#include "cuda/ptx/wgmma.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/tile_ring.cuh"

// A product with 9 to 256 activation rows on Hopper: bound by streaming the weight from memory once, and at 256 rows as much by
// the tensor cores.
//
// y^T = weight x^T: weight rows are the 64-row operand of wgmma, so the other one is as wide as there are activation rows and
// little is wasted on few. One thread keeps a ring of stages filled by the copy engine (TMA), with weights from before the wait
// on the work before, since weights do not change; warpgroups multiply what has arrived. Where tiles of y are fewer than
// processors, each is cut along in_features among the blocks of a cluster: the parts' sums lie in their blocks' shared memory,
// and every block adds up its share of them, in their order, and stores it, without a word through memory. A weight with a gate
// is copied so that eight of its rows and the eight of up lie in one warp's sixteen, in the same lanes.
//
// Measured in docs/performance.md. Tried on one H100 80GB HBM3 and left out: neighbouring tiles whose blocks copy parts of x to
// each other (multicast to two or four blocks: within 1 % at 128 and 256 rows, while a release to the whole cluster at a
// stage's end, which is a fence of the device, halves the rate), two blocks of 64 weight rows a warpgroup (2 to 6 % slower at
// 128 rows), and clusters of four or more, of which that H100 holds 30, too few for its processors (15 to 60 % slower). Also
// lost, a layer's products together: parts written into the shared memory of the block that adds them up (2 % at 64 and 128
// rows), the parts of all of a warp's units and the residual asked for before the first sum (1 to 2 %), and all tiles' stages
// dealt in equal stretches to 132 blocks, with a cut tile's sums through memory (1 to 3 % for gate and up at 160 to 256 rows,
// more for the others).

namespace sgl::cuda {

template <int kMostRows, bool kHasGate>
struct ClusterSm90Config {
  static constexpr ClusterSm90Shape kShape = cluster_sm90_shape(kMostRows, kHasGate);
  static constexpr bool kIsGated = kHasGate;
  static constexpr int kRows = kShape.rows;
  static constexpr int kDepthTiles = kShape.depth_tiles;
  static constexpr int kWeightRows = ClusterSm90Shape::kWeightRows;
  static constexpr int kWarpgroups = kWeightRows / 64;
  static constexpr int kColumns = kShape.columns();
  static constexpr int kWeightBytes = kWeightRows * 128;
  static constexpr int kXBytes = kRows * 128;
  static constexpr int kStageBytes = kDepthTiles * (kWeightBytes + kXBytes);
  static constexpr int kStages = (200 << 10) / kStageBytes;
  static constexpr int kRingBytes = kStages * kStageBytes;
  static constexpr int kConsumerWarps = 4 * kWarpgroups;
  static constexpr int kConsumerThreads = kConsumerWarps * kWarpSize;
  /// Whether warps that multiply need more registers than all threads can have, and take them from a warpgroup of the producer.
  static constexpr bool kTradesRegisters = kRows >= 256;
  static constexpr int kThreads = kConsumerThreads + (kTradesRegisters ? 128 : kWarpSize);
  static constexpr int kTiles = kRows / 8;
  /// A chunk is 16 rows of a warp's 16 weight rows.
  static constexpr int kChunks = kTiles / 2;
  static constexpr int kChunkColumns = kIsGated ? 8 : 16;
  /// Floats from one row of a chunk to the next: neither its writes nor its reads meet in a bank.
  static constexpr int kChunkStride = kChunkColumns + 4;
  static constexpr int kChunkBytes = 16 * kChunkStride * 4;
  static constexpr int kBarrierBytes = 256;
  static constexpr int kSharedBytes = kRingBytes + kBarrierBytes + kConsumerWarps * kChunkBytes + 1024;  // aligned by hand
  static_assert(kStages >= 3, "copies run ahead of products");
  static_assert(2 * 8 * kStages <= kBarrierBytes, "barriers fit behind the ring");
  static_assert(kChunks * 2 * kConsumerThreads * 16 <= kRingBytes, "a part's sums fit where its operands were");
  static_assert(kRows % 16 == 0, "whole chunks, and stages are whole multiples of 1024 bytes");
};

/// A block's place in its cluster and in the product.
struct ClusterPlace {
  int part;  // also the rank in the cluster
  int cluster, num_clusters;
  int begin, end;  // stages of a tile

  __device__ explicit ClusterPlace(const ClusterSm90Params& params) {
    part = blockIdx.x % params.parts;
    cluster = blockIdx.x / params.parts;
    num_clusters = gridDim.x / params.parts;
    begin = part * params.depth / params.parts;
    end = (part + 1) * params.depth / params.parts;
  }
};

/// The thread that fills the ring.
template <class Config>
struct ClusterProducer {
  const ClusterSm90Params& params;
  const ClusterPlace place;
  TileRing<Config::kStages> ring;
  uint64_t weight_policy;

  __device__ void load_weight(int tile, int unit) const {
    const int column = unit * Config::kDepthTiles * 64;
    ptx::mbarrier_arrive_expecting(ring.filled(), Config::kDepthTiles * (Config::kWeightBytes + params.x_bytes));
#pragma unroll
    for (int d = 0; d < Config::kDepthTiles; ++d) {
      const uint32_t destination = ring.tile() + d * Config::kWeightBytes;
      if constexpr (Config::kIsGated) {
        ptx::tma_load_groups(destination, &params.weight, column + d * 64, tile * (Config::kWeightRows / 16), ring.filled(),
                             weight_policy);
      } else {
        ptx::tma_load(destination, &params.weight, column + d * 64, tile * Config::kWeightRows, ring.filled(), weight_policy);
      }
    }
  }

  __device__ void load_x(int unit) const {
    const int column = unit * Config::kDepthTiles * 64;
#pragma unroll
    for (int d = 0; d < Config::kDepthTiles; ++d) {
      const uint32_t destination = ring.tile() + Config::kDepthTiles * Config::kWeightBytes + d * Config::kXBytes;
      ptx::tma_load(destination, &params.x, column + d * 64, 0, ring.filled());
    }
  }

  __device__ int num_early() const { return min(Config::kStages, place.end - place.begin); }

  /// What does not wait for the work before.
  __device__ void start() const {
    ClusterProducer early = *this;
    for (int i = 0; i < num_early(); ++i, early.ring.next()) early.load_weight(place.cluster, place.begin + i);
  }

  __device__ void run() {
    ptx::wait_for_predecessor();
    int early = num_early();
    for (int tile = place.cluster; tile < params.num_tiles; tile += place.num_clusters) {
      for (int unit = place.begin; unit < place.end; ++unit, ring.next()) {
        if (early > 0) {
          --early;
        } else {
          ring.wait_free();
          load_weight(tile, unit);
        }
        load_x(unit);
      }
    }
  }
};

/// Sixteen rows of a warp's sixteen weight rows: of rows 8 t + lane % 4 * 2 + {0, 1} at weight rows lane / 4 + {0, 8}.
using ClusterChunk = float[2][4];

template <class Config>
struct ClusterConsumer {
  using Sums = float[Config::kTiles][4];

  const ClusterSm90Params& params;
  const ClusterPlace place;
  TileRing<Config::kStages> ring;
  uint32_t staging;  // the ring's memory, when it is over
  float* scratch;    // of this warp, a chunk
  Sums sums;

  __device__ void release(uint32_t barrier) const {
    if (threadIdx.x % kWarpSize == 0) ptx::mbarrier_arrive(barrier);
  }

  /// sums = the product of this block's stages of a tile.
  __device__ void multiply() {
    const int warpgroup = threadIdx.x / 128;
    uint32_t used = 0;
    for (int i = 0; i < place.end - place.begin; ++i) {
      ring.wait_filled();
      const uint32_t weight = ring.tile() + warpgroup * 64 * 128;
      const uint32_t x = ring.tile() + Config::kDepthTiles * Config::kWeightBytes;
      ptx::wgmma_fence();
#pragma unroll
      for (int d = 0; d < Config::kDepthTiles; ++d) {
#pragma unroll
        for (int step = 0; step < 4; ++step) {
          ptx::wgmma(sums, ptx::WgmmaTile::row_major(weight + d * Config::kWeightBytes + step * 32),
                     ptx::WgmmaTile::row_major(x + d * Config::kXBytes + step * 32), i > 0 || d > 0 || step > 0);
        }
      }
      ptx::wgmma_commit();
      ptx::wgmma_wait<1>();
      if (i > 0) release(used);
      used = ring.free();
      ring.next();
    }
    ptx::wgmma_wait<0>();
    ptx::wgmma_hold(sums);
    release(used);
  }

  /// Where in any block of the cluster a thread's four sums of one tile of eight rows lie.
  __device__ uint32_t sums_of(int tile, int thread) const { return staging + (tile * Config::kConsumerThreads + thread) * 16; }

  __device__ void leave_part() const {
    ptx::named_barrier_wait<Config::kConsumerThreads>(1);  // the other warps, too, have multiplied what lay here
#pragma unroll
    for (int i = 0; i < Config::kTiles; ++i) {
      ptx::store_to_shared(sums_of(i, threadIdx.x), make_float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]));
    }
  }

  /// Adds up and stores this block's share of the parts that its cluster's blocks have left.
  __device__ void finish_parts() const {
    constexpr int kUnits = Config::kChunks * Config::kConsumerWarps;
    const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
    const int end = (place.part + 1) * kUnits / params.parts;
    for (int unit = place.part * kUnits / params.parts + warp; unit < end; unit += Config::kConsumerWarps) {
      const int owner = unit % Config::kConsumerWarps, chunk = unit / Config::kConsumerWarps;
      ClusterChunk values{};
      for (int part = 0; part < params.parts; ++part) {
#pragma unroll
        for (int t = 0; t < 2; ++t) {
          const uint32_t address = sums_of(2 * chunk + t, owner * kWarpSize + lane);
          const float4 v = ptx::load_of_cluster(ptx::shared_of_rank(address, static_cast<uint32_t>(part)));
          values[t][0] += v.x;
          values[t][1] += v.y;
          values[t][2] += v.z;
          values[t][3] += v.w;
        }
      }
      const int first_column = column_of(place.cluster, owner);
      finish_chunk(values, bias_of(first_column), first_column, chunk * 16);
    }
  }

  /// The first column of y of a warp's weight rows.
  __device__ int column_of(int tile, int owner) const { return tile * Config::kColumns + owner * (Config::kIsGated ? 8 : 16); }

  /// Of a lane's two weight rows.
  struct Bias {
    float first = 0, second = 0;
  };
  __device__ Bias bias_of(int first_column) const {
    Bias bias;
    const int column = first_column + threadIdx.x % kWarpSize / 4;
    if (params.epilogue.bias != nullptr) {
      const int second = column + (Config::kIsGated ? params.width : 8),
                end = Config::kIsGated ? 2 * params.width : params.width;
      if (column < params.width) bias.first = params.epilogue.biased(0, column);
      if (second < end) bias.second = params.epilogue.biased(0, second);
    }
    return bias;
  }

  __device__ void finish_tile(int tile) const {
    const int first_column = column_of(tile, threadIdx.x / kWarpSize);
    const Bias bias = bias_of(first_column);
#pragma unroll
    for (int chunk = 0; chunk < Config::kChunks; ++chunk) {
      ClusterChunk values;
#pragma unroll
      for (int j = 0; j < 8; ++j) values[j / 4][j % 4] = sums[2 * chunk + j / 4][j % 4];
      finish_chunk(values, bias, first_column, chunk * 16);
    }
    __syncwarp();  // before the next product, which takes whole warps
  }

  /// Turns a chunk around through the warp's scratch, so that a lane has neighbouring columns of one row, and stores it.
  __device__ __forceinline__ void finish_chunk(const ClusterChunk& values, const Bias& bias, int first_column,
                                               int first_row) const {
    if (first_row >= params.num_rows || first_column >= params.width) return;
    const int lane = threadIdx.x % kWarpSize;
    __syncwarp();
#pragma unroll
    for (int t = 0; t < 2; ++t) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float* row = scratch + (t * 8 + lane % 4 * 2 + i) * Config::kChunkStride + lane / 4;
        const float first = values[t][i] + bias.first, second = values[t][2 + i] + bias.second;
        if constexpr (Config::kIsGated) {
          row[0] = silu(first) * second;
        } else {
          row[0] = first;
          row[8] = second;
        }
      }
    }
    __syncwarp();
    constexpr int kLaneColumns = Config::kChunkColumns / 2;
    const int row = first_row + lane / 2, column = first_column + lane % 2 * kLaneColumns;
    const float* source = scratch + lane / 2 * Config::kChunkStride + lane % 2 * kLaneColumns;
    const int count = row < params.num_rows ? min(kLaneColumns, params.width - column) : 0;
    if (params.is_vectored && count == kLaneColumns) {
      float result[kLaneColumns];
      Epilogue::load_vec(source, SGL_F32, 0, result);
      params.epilogue.store_vec(row, column, result);
    } else {
#pragma unroll 1
      for (int i = 0; i < count; ++i) params.epilogue.store(row, column + i, source[i]);
    }
  }

  /// Leaves `finish_parts` to be done where tiles are cut.
  __device__ void run() {
    for (int tile = place.cluster; tile < params.num_tiles; tile += place.num_clusters) {
      multiply();
      if (params.parts > 1) {
        leave_part();
        return;
      }
      finish_tile(tile);
    }
  }
};

/// grid.x blocks in clusters of `parts`; where tiles are cut, a cluster a tile.
template <class Config>
__global__ void __launch_bounds__(Config::kThreads, 1) cluster_sm90_kernel(const __grid_constant__ ClusterSm90Params params) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(16) unsigned char shared[];
  const uint32_t base = (ptx::shared_address(shared) + 1023) / 1024 * 1024;
  const TileRing<Config::kStages> ring{base, base + Config::kRingBytes, Config::kStageBytes};
  unsigned char* behind = shared + (base - ptx::shared_address(shared)) + Config::kRingBytes + Config::kBarrierBytes;
  const ClusterPlace place(params);
  const bool is_producer = threadIdx.x == Config::kConsumerThreads, is_consumer = threadIdx.x < Config::kConsumerThreads;
  const bool is_cut = params.parts > 1;
  ClusterProducer<Config> producer{params, place, ring, 0};
  ptx::allow_successor();
  if (is_producer) {
    producer.weight_policy = ptx::evict_first_policy();
    ring.initialize(1, Config::kConsumerWarps);
    ptx::fence_mbarrier_init();
    producer.start();
  }
  __syncthreads();
  if (is_consumer) {
    if constexpr (Config::kTradesRegisters) ptx::raise_registers<232>();
    ptx::wait_for_predecessor();
    ClusterConsumer<Config> consumer{
        params, place, ring, base, reinterpret_cast<float*>(behind + threadIdx.x / kWarpSize * Config::kChunkBytes), {}};
    consumer.run();
    if (is_cut) {
      ptx::cluster_synchronize();
      consumer.finish_parts();
      ptx::cluster_meet();  // no block leaves while another reads its part
    }
  } else {
    if constexpr (Config::kTradesRegisters) ptx::lower_registers<40>();
    if (is_producer) producer.run();
    __syncwarp();
    if (is_cut) {
      ptx::cluster_synchronize();
      ptx::cluster_meet();
    }
  }
#endif
}

template <class Config>
ClusterSm90Kernel cluster_sm90_entry() {
  return {cluster_sm90_kernel<Config>, Config::kThreads, Config::kSharedBytes};
}

}  // namespace sgl::cuda
