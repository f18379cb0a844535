#pragma once

#include <cuda_runtime_api.h>

#include "cuda/runtime/context.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {

struct LaunchConfig {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  /// Blocks of one cluster along x; 1 for none.
  unsigned cluster = 1;
  /// Programmatic dependent launch: the kernel may start while its predecessor drains. It must execute
  /// `ptx::wait_for_predecessor` before it touches anything that work of the same stream writes.
  bool overlaps_predecessor = false;
};

/// Queues `kernel(params)` on the context's stream. A kernel takes one params struct, by value.
template <class Params>
void launch(const CudaContext& context, const char* op, void (*kernel)(Params), const LaunchConfig& config,
            const Params& params) {
  cudaLaunchAttribute attributes[2];
  cudaLaunchConfig_t launch_config{};
  launch_config.gridDim = config.grid;
  launch_config.blockDim = config.block;
  launch_config.dynamicSmemBytes = config.shared_bytes;
  launch_config.stream = context.stream;
  launch_config.attrs = attributes;
  if (config.cluster > 1) {
    cudaLaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = config.cluster;
    attribute.val.clusterDim.y = 1;
    attribute.val.clusterDim.z = 1;
  }
  if (config.overlaps_predecessor && context.device.compute_major >= 9) {
    cudaLaunchAttribute& attribute = attributes[launch_config.numAttrs++];
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
  }
  Params copy = params;
  void* arguments[] = {&copy};
  check(cudaLaunchKernelExC(&launch_config, reinterpret_cast<const void*>(kernel), arguments), op);
}

/// Lets `kernel` have more than 48 KiB of dynamic shared memory.
template <class Params>
void allow_shared_bytes(const char* op, void (*kernel)(Params), size_t num_bytes) {
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(num_bytes)),
        op);
}

inline constexpr unsigned kMaxGridY = 65535;

inline unsigned blocks_for(int64_t count, int64_t per_block) {
  return static_cast<unsigned>((count + per_block - 1) / per_block);
}

}  // namespace sgl::cuda
