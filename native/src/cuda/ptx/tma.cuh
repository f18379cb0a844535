#pragma once

#include <cuda.h>

#include <cstdint>

// Copies of whole tiles from a tensor in memory to shared memory (PTX ISA, cp.async.bulk.tensor; sm_90 and newer). One thread
// starts a copy; its bytes are reported to a barrier, see mbarrier.cuh. Parts of a tile outside the tensor are zeros and count.

namespace sgl::cuda::ptx {

/// For data that is used once: the first to leave the second-level cache.
__device__ __forceinline__ uint64_t evict_first_policy() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0;" : "=l"(policy));
  return policy;
}

/// Copies the tile whose first element is [row, column].
__device__ __forceinline__ void tma_load(uint32_t destination, const CUtensorMap* tensor, int column, int row,
                                         uint32_t barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
                   destination),
               "l"(reinterpret_cast<uint64_t>(tensor)), "r"(column), "r"(row), "r"(barrier)
               : "memory");
}

/// The same under a cache policy.
__device__ __forceinline__ void tma_load(uint32_t destination, const CUtensorMap* tensor, int column, int row, uint32_t barrier,
                                         uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1, {%2, %3}], [%4], %5;" ::"r"(destination),
      "l"(reinterpret_cast<uint64_t>(tensor)), "r"(column), "r"(row), "r"(barrier), "l"(policy)
      : "memory");
}

/// Copies the part of a tensor of three axes whose first element is [z, y, x].
__device__ __forceinline__ void tma_load(uint32_t destination, const CUtensorMap* tensor, int x, int y, int z,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(
          destination),
      "l"(reinterpret_cast<uint64_t>(tensor)), "r"(x), "r"(y), "r"(z), "r"(barrier)
      : "memory");
}

/// Copies `num_bytes` bytes without a tensor; all three are multiples of 16.
__device__ __forceinline__ void bulk_load(uint32_t destination, const void* source, uint32_t num_bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(destination),
      "l"(__cvta_generic_to_global(source)), "r"(num_bytes), "r"(barrier)
      : "memory");
}

/// Copies rows of a matrix that `encode_rows_by_eight` describes, from its `eight_rows`-th eight on.
__device__ __forceinline__ void tma_load_rows(uint32_t destination, const CUtensorMap* rows, int eight_rows, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %2, %2, %3}], [%4];" ::"r"(
          destination),
      "l"(reinterpret_cast<uint64_t>(rows)), "r"(0), "r"(eight_rows), "r"(barrier)
      : "memory");
}

/// The same under a cache policy.
__device__ __forceinline__ void tma_load_rows(uint32_t destination, const CUtensorMap* rows, int eight_rows, uint32_t barrier,
                                              uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1, {%2, %2, %2, %3}], [%4], %5;" ::"r"(destination),
      "l"(reinterpret_cast<uint64_t>(rows)), "r"(0), "r"(eight_rows), "r"(barrier), "l"(policy)
      : "memory");
}

/// Copies a tile of a matrix that `encode_halves` describes, from its `group`-th eight rows of each half on.
__device__ __forceinline__ void tma_load_groups(uint32_t destination, const CUtensorMap* tensor, int column, int group,
                                                uint32_t barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1, {%2, %3, %3, %4}], [%5], %6;" ::"r"(destination),
      "l"(reinterpret_cast<uint64_t>(tensor)), "r"(column), "r"(0), "r"(group), "r"(barrier), "l"(policy)
      : "memory");
}

}  // namespace sgl::cuda::ptx
