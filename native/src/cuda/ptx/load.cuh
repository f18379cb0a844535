#pragma once

#include <cstdint>

namespace sgl::cuda::ptx {

/// 16 aligned bytes of constant data that are used once: past L1, which is left to what is used again.
__device__ __forceinline__ uint4 load_streamed(const void* source) {
  uint4 value;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(source));
  return value;
}

/// Asks for `num_bytes`, from 16 aligned bytes on and whole times 16, to be brought to the second-level cache, where what is
/// written to them meanwhile is not lost (PTX ISA, cp.async.bulk.prefetch; nothing is done before sm_90).
__device__ __forceinline__ void prefetch_to_l2(const void* source, int num_bytes) {
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(source), "r"(num_bytes) : "memory");
#endif
}

}  // namespace sgl::cuda::ptx
