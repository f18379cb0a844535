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

}  // namespace sgl::cuda::ptx
