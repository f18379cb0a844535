#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace sgl::cuda {

using bf16 = __nv_bfloat16;
using f16 = __half;

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(bf16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float to_float(f16 value) { return __half2float(value); }

/// Rounded to nearest even.
template <class T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ __forceinline__ f16 from_float<f16>(float value) {
  return __float2half_rn(value);
}

/// kSize neighbouring elements, moved with one access of up to 16 bytes.
template <class T, int kSize>
struct alignas(sizeof(T) * kSize) Vec {
  static_assert(sizeof(T) * kSize <= 16, "one access moves at most 16 bytes");

  __device__ __forceinline__ T& operator[](int i) { return elements[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return elements[i]; }

  T elements[kSize];
};

template <int kSize, class T>
__device__ __forceinline__ Vec<T, kSize> load_vec(const T* source) {
  return *reinterpret_cast<const Vec<T, kSize>*>(source);
}

template <int kSize, class T>
__device__ __forceinline__ void store_vec(T* destination, const Vec<T, kSize>& vec) {
  *reinterpret_cast<Vec<T, kSize>*>(destination) = vec;
}

}  // namespace sgl::cuda
