#pragma once

#include <cstdint>

// Blocks of one cluster: their barrier, and each other's shared memory (PTX ISA, barrier.cluster, mapa; sm_90 and newer).

namespace sgl::cuda::ptx {

/// Returns when all threads of the cluster have come; what they wrote before, to shared memory too, is visible then.
__device__ __forceinline__ void cluster_synchronize() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}
/// The same without a word about what was written, which spares a fence of the whole device.
__device__ __forceinline__ void cluster_meet() {
  asm volatile("barrier.cluster.arrive.relaxed;\nbarrier.cluster.wait;" ::: "memory");
}

/// Where block `rank` of the cluster has what this block has at `address` of its shared memory.
__device__ __forceinline__ uint32_t shared_of_rank(uint32_t address, uint32_t rank) {
  uint32_t result;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(result) : "r"(address), "r"(rank));
  return result;
}

/// `address` is one of `shared_of_rank`.
__device__ __forceinline__ float4 load_of_cluster(uint32_t address) {
  float4 v;
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(address)
               : "memory");
  return v;
}
__device__ __forceinline__ void store_to_shared(uint32_t address, const float4& v) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w) : "memory");
}

}  // namespace sgl::cuda::ptx
