#pragma once

namespace sgl::cuda {

// Divisions are the IEEE ones: a fast division gives 0 instead of x / inf for large denominators, and NaN for inf / inf here is
// what the reference gives too.

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }
__device__ __forceinline__ float silu(float x) { return x / (1.0f + __expf(-x)); }

}  // namespace sgl::cuda
