#pragma once

#include "cuda/comm/peer_kernels.hpp"
#include "cuda/ptx/system_scope.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// Collectives between GPUs, or between streams of one, that address each other's memory. Bound by the links: one shot moves
// num_ranks - 1 tensors a rank and costs one hop, two shots 2 (num_ranks - 1) / num_ranks of one and two hops.
//
// Kernels wait for each other on the device, so all ranks' must be able to run at once: no more blocks than find a place, and
// no successor may be let in before a kernel ends, for it could take the places that a peer needs. Sums are taken in f32 in the
// order of ranks and rounded once.

namespace sgl::cuda {

enum class PeerPhase { kStart, kEnd };

/// The number of this call. All threads of a block, before any meeting.
__device__ __forceinline__ uint32_t begin_call(const PeerMeeting& meeting) {
  return meeting.flags[meeting.rank]->calls[blockIdx.x] + 1;
}

/// After the last meeting. Blocks of a larger grid find the number too.
__device__ __forceinline__ void end_call(const PeerMeeting& meeting, uint32_t call) {
  __syncthreads();
  if (threadIdx.x != 0) return;
  PeerFlags* flags = meeting.flags[meeting.rank];
  for (unsigned block = blockIdx.x; block < kMostPeerBlocks; block += gridDim.x) flags->calls[block] = call;
}

/// Waits for a peer's block to come to `call`; false when it does not in time or the group was aborted.
__device__ __forceinline__ bool wait_for_peer(const PeerMeeting& meeting, const uint32_t* arrived, int peer, uint32_t call) {
  constexpr int kPollsBetweenChecks = 1024;  // of the host's word and the clock, which are far away
  uint64_t start = 0;
  for (int polls = 0;; ++polls) {
    if (static_cast<int32_t>(ptx::load_acquire_system(arrived) - call) >= 0) return true;
    if (polls < kPollsBetweenChecks) continue;
    polls = 0;
    if (ptx::load_relaxed_system(meeting.is_aborted) != 0) return false;
    const uint64_t now = ptx::global_timer_ns();
    if (start == 0) start = now;
    if (now - start < meeting.timeout_ns) continue;
    if (atomicExch(&meeting.flags[meeting.rank]->has_fault, 1u) == 0) {
      meeting.fault->peer = peer;
      __threadfence_system();
      ptx::store_release_system(&meeting.fault->is_set, 1u);
    }
    ptx::store_release_system(meeting.is_aborted, 1u);
    return false;
  }
}

/// What the block wrote before is seen by its like on every rank after. False, in all threads, where the wait was given up: the
/// rest of the kernel must touch no peer.
__device__ __forceinline__ bool meet(const PeerMeeting& meeting, PeerPhase phase, uint32_t call) {
  __syncthreads();
  bool has_met = true;
  if (static_cast<int>(threadIdx.x) < meeting.num_ranks) {
    const int peer = static_cast<int>(threadIdx.x), side = static_cast<int>(phase);
    __threadfence_system();
    ptx::store_release_system(&meeting.flags[peer]->arrived[side][blockIdx.x][meeting.rank], call);
    has_met = wait_for_peer(meeting, &meeting.flags[meeting.rank]->arrived[side][blockIdx.x][peer], peer, call);
  }
  return __syncthreads_and(has_met) != 0;
}

template <class T>
struct UnitAccess {
  static constexpr int kVec = 16 / sizeof(T);  // elements of one access
};

__device__ __forceinline__ bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

/// Elements [first, first + kPeerUnit) of `source` as f32; those from `count` on are 0.
template <class T>
__device__ __forceinline__ void load_unit(float (&values)[kPeerUnit], const T* source, bool aligned, int64_t first, int64_t count) {
  constexpr int kVec = UnitAccess<T>::kVec;
  if (aligned && first + kPeerUnit <= count) {
#pragma unroll
    for (int i = 0; i < kPeerUnit; i += kVec) {
      const Vec<T, kVec> vec = load_vec<kVec>(source + first + i);
#pragma unroll
      for (int j = 0; j < kVec; ++j) values[i + j] = to_float(vec[j]);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPeerUnit; ++i) values[i] = first + i < count ? to_float(source[first + i]) : 0.0f;
}

template <class T>
__device__ __forceinline__ void store_unit(T* destination, const float (&values)[kPeerUnit], bool aligned, int64_t first,
                                           int64_t count) {
  constexpr int kVec = UnitAccess<T>::kVec;
  if (aligned && first + kPeerUnit <= count) {
#pragma unroll
    for (int i = 0; i < kPeerUnit; i += kVec) {
      Vec<T, kVec> vec;
#pragma unroll
      for (int j = 0; j < kVec; ++j) vec[j] = from_float<T>(values[i + j]);
      store_vec(destination + first + i, vec);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPeerUnit; ++i) {
    if (first + i < count) destination[first + i] = from_float<T>(values[i]);
  }
}

template <class T>
__device__ __forceinline__ void add_unit(float (&sum)[kPeerUnit], const T* source, bool aligned, int64_t first, int64_t count) {
  float values[kPeerUnit];
  load_unit(values, source, aligned, first, count);
#pragma unroll
  for (int i = 0; i < kPeerUnit; ++i) sum[i] += values[i];
}

/// Where `from`'s tensor of this call comes to on `to`.
template <class X, class Params>
__device__ __forceinline__ X* staging_of(const Params& params, int to, int from, uint32_t call) {
  const int64_t place = static_cast<int64_t>(call & 1) * params.meeting.num_ranks + from;
  return reinterpret_cast<X*>(params.staging[to] + place * params.staging_bytes);
}

/// A unit of x to every rank's staging. x is exact in f32.
template <class X, class Params>
__device__ __forceinline__ void push_unit(const Params& params, const X* x, bool aligned, uint32_t call, int64_t base,
                                          int64_t first, int64_t count) {
  float values[kPeerUnit];
  load_unit(values, x + base, aligned, first, count);
  for (int peer = 0; peer < params.meeting.num_ranks; ++peer) {
    store_unit(staging_of<X>(params, peer, params.meeting.rank, call) + base, values, aligned, first, count);
  }
}

template <class X, class Params>
__device__ __forceinline__ void sum_staged(float (&sum)[kPeerUnit], const Params& params, bool aligned, uint32_t call,
                                           int64_t base, int64_t first, int64_t count) {
  const int rank = params.meeting.rank;
  load_unit(sum, staging_of<X>(params, rank, 0, call) + base, aligned, first, count);
  for (int peer = 1; peer < params.meeting.num_ranks; ++peer) {
    add_unit(sum, staging_of<X>(params, rank, peer, call) + base, aligned, first, count);
  }
}

/// Grid-stride loop over the units of `count` elements: body(first element).
template <class Body>
__device__ __forceinline__ void for_units(int64_t count, const Body& body) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kPeerThreads * kPeerUnit;
  for (int64_t first = (static_cast<int64_t>(blockIdx.x) * kPeerThreads + threadIdx.x) * kPeerUnit; first < count; first += stride)
    body(first);
}

template <class T, class X>
__global__ void __launch_bounds__(kPeerThreads) one_shot_kernel(const __grid_constant__ OneShotParams params) {
  const uint32_t call = begin_call(params.meeting);
  const X* x = static_cast<const X*>(params.x);
  const bool x_aligned = is_aligned(x);
  for_units(params.count, [&](int64_t first) { push_unit(params, x, x_aligned, call, 0, first, params.count); });
  if (meet(params.meeting, PeerPhase::kStart, call)) {
    T* y = static_cast<T*>(params.y);
    const T* residual = static_cast<const T*>(params.residual);
    const bool y_aligned = is_aligned(y), residual_aligned = is_aligned(residual);
    for_units(params.count, [&](int64_t first) {
      float sum[kPeerUnit];
      sum_staged<X>(sum, params, true, call, 0, first, params.count);
      if (residual != nullptr) add_unit(sum, residual, residual_aligned, first, params.count);
      store_unit(y, sum, y_aligned, first, params.count);
    });
  }
  end_call(params.meeting, call);
}

template <class T, class X>
__global__ void __launch_bounds__(kPeerThreads) one_shot_norm_kernel(const __grid_constant__ OneShotNormParams params) {
  __shared__ float sums[kPeerThreads / kWarpSize];
  const uint32_t call = begin_call(params.meeting);
  const int64_t width = params.width;
  const X* x = static_cast<const X*>(params.x);
  T* y = static_cast<T*>(params.y);
  T* residual = static_cast<T*>(params.residual);
  const T* weight = static_cast<const T*>(params.weight);
  const bool has_whole_units = width % kPeerUnit == 0;
  const bool x_aligned = has_whole_units && is_aligned(x), y_aligned = has_whole_units && is_aligned(y);
  const bool residual_aligned = has_whole_units && is_aligned(residual), weight_aligned = is_aligned(weight);
  const int64_t begin = static_cast<int64_t>(threadIdx.x) * kPeerUnit, step = int64_t{kPeerThreads} * kPeerUnit;

  for (int64_t row = blockIdx.x; row < params.num_rows; row += gridDim.x) {
    for (int64_t first = begin; first < width; first += step) push_unit(params, x, x_aligned, call, row * width, first, width);
  }
  if (meet(params.meeting, PeerPhase::kStart, call)) {
    for (int64_t row = blockIdx.x; row < params.num_rows; row += gridDim.x) {
      const int64_t base = row * width;
      float squares = 0;
      for (int64_t first = begin; first < width; first += step) {
        float sum[kPeerUnit];
        sum_staged<X>(sum, params, has_whole_units, call, base, first, width);
        add_unit(sum, residual + base, residual_aligned, first, width);
        store_unit(residual + base, sum, residual_aligned, first, width);
#pragma unroll
        for (int i = 0; i < kPeerUnit; ++i) {
          const float rounded = to_float(from_float<T>(sum[i]));  // 0 past the row
          squares += rounded * rounded;
        }
      }
      squares = block_reduce<kPeerThreads / kWarpSize>(squares, sums, Sum());
      const float scale = 1.0f / sqrtf(squares / static_cast<float>(params.width) + params.eps);
      // Each thread reads back what it wrote itself.
      for (int64_t first = begin; first < width; first += step) {
        float values[kPeerUnit], weights[kPeerUnit];
        load_unit(values, residual + base, residual_aligned, first, width);
        load_unit(weights, weight, weight_aligned, first, width);
#pragma unroll
        for (int i = 0; i < kPeerUnit; ++i) values[i] = values[i] * scale * weights[i];
        store_unit(y + base, values, y_aligned, first, width);
      }
      __syncthreads();  // `sums` is used again
    }
  }
  end_call(params.meeting, call);
}

template <class T, class X>
__global__ void __launch_bounds__(kPeerThreads) direct_sum_kernel(const __grid_constant__ DirectSumParams params) {
  const uint32_t call = begin_call(params.meeting);
  if (meet(params.meeting, PeerPhase::kStart, call)) {
    const T* residual = static_cast<const T*>(params.residual);
    const bool residual_aligned = is_aligned(residual);
    for_units(params.count, [&](int64_t first) {
      float sum[kPeerUnit];
      const X* own = static_cast<const X*>(params.x[0]);
      load_unit(sum, own, is_aligned(own), first, params.count);
      for (int peer = 1; peer < params.meeting.num_ranks; ++peer) {
        const X* x = static_cast<const X*>(params.x[peer]);
        add_unit(sum, x, is_aligned(x), first, params.count);
      }
      if (residual != nullptr) add_unit(sum, residual, residual_aligned, first, params.count);
      for (int i = 0; i < params.num_ys; ++i) {
        T* y = static_cast<T*>(params.y[i]);
        store_unit(y, sum, is_aligned(y), first, params.count);
      }
    });
    meet(params.meeting, PeerPhase::kEnd, call);
  }
  end_call(params.meeting, call);
}

/// @tparam Access what one access moves; rows and strides are whole ones.
template <class Access>
__global__ void __launch_bounds__(kPeerThreads) pull_kernel(const __grid_constant__ PullParams params) {
  const uint32_t call = begin_call(params.meeting);
  if (meet(params.meeting, PeerPhase::kStart, call)) {
    const int64_t thread = static_cast<int64_t>(blockIdx.x) * kPeerThreads + threadIdx.x;
    const int64_t num_threads = static_cast<int64_t>(gridDim.x) * kPeerThreads;
    for (int step = 0; step < params.meeting.num_ranks; ++step) {
      // Each rank begins with another peer, so that they do not all read one at a time.
      const PullParams::Part& part = params.parts[(params.meeting.rank + step) % params.meeting.num_ranks];
      const int64_t row_size = part.row_bytes / static_cast<int64_t>(sizeof(Access)), size = part.num_rows * row_size;
      for (int64_t i = thread; i < size; i += num_threads) {
        const int64_t row = i / row_size, column = i % row_size;
        const auto* source = reinterpret_cast<const Access*>(part.source + row * part.source_stride) + column;
        *(reinterpret_cast<Access*>(part.destination + row * part.destination_stride) + column) = *source;
      }
    }
    meet(params.meeting, PeerPhase::kEnd, call);
  }
  end_call(params.meeting, call);
}

}  // namespace sgl::cuda
