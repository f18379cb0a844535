#pragma once

#include <cstdint>

// Barriers in shared memory on which copies and warps report (PTX ISA, mbarrier). A barrier's phase ends with the arrival of as
// many as it was initialised for; waiting names the phase's parity.

namespace sgl::cuda::ptx {

__device__ __forceinline__ void mbarrier_init(uint32_t barrier, int num_arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(num_arrivals) : "memory");
}

__device__ __forceinline__ void mbarrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Makes initialised barriers visible to copies; before the barrier that lets other threads use them.
__device__ __forceinline__ void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

/// Arrives, and keeps the phase from ending before copies have reported `num_bytes`.
__device__ __forceinline__ void mbarrier_arrive_expecting(uint32_t barrier, uint32_t num_bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(num_bytes) : "memory");
}

/// Counts as one arrival of those initialised, made when all copies that this thread has started by cp.async are complete.
__device__ __forceinline__ void mbarrier_arrive_after_copies(uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again_%=:\n"
      "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
      "@!done bra again_%=;\n"
      "}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

/// The barrier `id` (1 to 15) of a part of a block: completes with kNumThreads arrivals, those that wait included.
template <int kNumThreads>
__device__ __forceinline__ void named_barrier_wait(int id) {
  static_assert(kNumThreads % 32 == 0, "whole warps");
  asm volatile("bar.sync %0, %1;" ::"r"(id), "n"(kNumThreads) : "memory");
}
template <int kNumThreads>
__device__ __forceinline__ void named_barrier_arrive(int id) {
  static_assert(kNumThreads % 32 == 0, "whole warps");
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "n"(kNumThreads) : "memory");
}

}  // namespace sgl::cuda::ptx
