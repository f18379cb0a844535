#pragma once

#include <cstdint>

// Accesses that other GPUs and the host take part in: PTX ISA, ld and st with .sys scope; the clock that all SMs share.

namespace sgl::cuda::ptx {

__device__ __forceinline__ uint32_t load_acquire_system(const uint32_t* source) {
  uint32_t value;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(source) : "memory");
  return value;
}

__device__ __forceinline__ uint32_t load_relaxed_system(const uint32_t* source) {
  uint32_t value;
  asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(source) : "memory");
  return value;
}

__device__ __forceinline__ void store_release_system(uint32_t* destination, uint32_t value) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(destination), "r"(value) : "memory");
}

/// Of the device; steps of up to a microsecond.
__device__ __forceinline__ uint64_t global_timer_ns() {
  uint64_t time;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(time));
  return time;
}

}  // namespace sgl::cuda::ptx
