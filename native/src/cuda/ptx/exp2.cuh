#pragma once

namespace sgl::cuda::ptx {

/// 2^x within 2 units in the last place; 0 for -inf and below the smallest normal number, inf above the largest.
__device__ __forceinline__ float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace sgl::cuda::ptx
