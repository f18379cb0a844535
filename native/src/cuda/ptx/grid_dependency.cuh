#pragma once

// Programmatic dependent launch: PTX ISA, griddepcontrol (sm_90 and newer; nothing to do on older GPUs).

namespace sgl::cuda::ptx {

/// Returns when the kernels before this one in the stream have finished and their writes are visible. At once in a kernel that
/// was launched without overlap.
__device__ __forceinline__ void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// From here on the next kernel of the stream may start, if it was launched with overlap and there is room for it. Kernels call
/// it first of all: the next one still waits for this one's end, which comes after this one's own wait.
__device__ __forceinline__ void allow_successor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace sgl::cuda::ptx
