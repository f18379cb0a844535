#pragma once

#include "cuda/ptx/mbarrier.cuh"

namespace sgl::cuda {

/// A ring of stages and its two barriers a stage: filled, and free again.
template <int kNumStages>
struct TileRing {
  uint32_t tiles;
  uint32_t barriers;  // [kNumStages] filled, then [kNumStages] free
  int stage_bytes;
  int stage = 0;
  uint32_t parity = 0;

  __device__ uint32_t barriers_end() const { return barriers + 2 * kNumStages * 8; }
  __device__ void initialize(int num_producers, int num_consumers) const {
    for (int i = 0; i < kNumStages; ++i) {
      ptx::mbarrier_init(barriers + i * 8, num_producers);
      ptx::mbarrier_init(barriers + (kNumStages + i) * 8, num_consumers);
    }
  }
  __device__ uint32_t tile() const { return tiles + stage * stage_bytes; }
  __device__ uint32_t filled() const { return barriers + stage * 8; }
  __device__ uint32_t free() const { return barriers + (kNumStages + stage) * 8; }
  __device__ void wait_filled() const { ptx::mbarrier_wait(filled(), parity); }
  /// Holds at once for the first round, in which all stages are free.
  __device__ void wait_free() const { ptx::mbarrier_wait(free(), parity ^ 1); }
  __device__ void next() {
    if (++stage < kNumStages) return;
    stage = 0;
    parity ^= 1;
  }
};

}  // namespace sgl::cuda
