#pragma once

#include "cuda/kernels/attention/attention_params.hpp"
#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/reduce.cuh"
#include "cuda/tile/vec.cuh"

// Attention on the CUDA cores: f32 storage, caches that tensor-core kernels cannot address, devices with too little shared
// memory for them. A block a query head of a token: its warps take keys in turn, each with its own online softmax, and add up
// in shared memory, in order. Bound by latency and re-reads; meant to be right.

namespace sgl::cuda {

inline constexpr int kPlainWarps = 4;
inline constexpr int kPlainMaxDim = 256;

template <class T>
__global__ void __launch_bounds__(kPlainWarps* kWarpSize)
    plain_attention_kernel(const __grid_constant__ AttentionParams params) {
  constexpr int kPerLane = kPlainMaxDim / kWarpSize;
  __shared__ float partial_out[kPlainWarps][kPlainMaxDim];
  __shared__ float2 partial_statistics[kPlainWarps];
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int num_q_heads = params.num_kv_heads * params.group;
  const int token = blockIdx.x / num_q_heads, q_head = blockIdx.x % num_q_heads, kv_head = q_head / params.group;
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  const StepHeader& step = *params.step;
  if (token < step.query_start[0] || token >= step.query_start[step.num_requests]) return;
  int request = 0;  // the last whose queries begin at or before the token
  for (int end = step.num_requests; end - request > 1;) {
    const int middle = (request + end) / 2;
    (step.query_start[middle] <= token ? request : end) = middle;
  }
  const int position = step.kv_length[request] - step.query_start[request + 1] + token;
  const int first_key = params.window > 0 ? max(0, position - params.window + 1) : 0;
  const int32_t* pages = step.pages + step.page_start[request];

  const T* query = static_cast<const T*>(params.q) + token * params.q_stride[0] + q_head * params.q_stride[1];
  float q[kPerLane], out[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int dim = lane + i * kWarpSize;
    q[i] = dim < params.head_dim ? to_float(query[dim]) : 0.0f;
    out[i] = 0;
  }
  float maximum = -INFINITY, sum = 0;
  for (int key = first_key + warp; key <= position; key += kPlainWarps) {
    const int64_t row =
        (int64_t{pages[key / params.page_size]} * params.num_kv_heads + kv_head) * params.page_size + key % params.page_size;
    const T* k = static_cast<const T*>(params.k_cache) + row * params.head_dim;
    const T* v = static_cast<const T*>(params.v_cache) + row * params.head_dim;
    float score = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int dim = lane + i * kWarpSize;
      if (dim < params.head_dim) score += q[i] * to_float(k[dim]);
    }
    score = warp_reduce(score, Sum()) * params.scale;
    if (params.soft_cap > 0) score = params.soft_cap * tanhf(score / params.soft_cap);
    const float larger = fmaxf(maximum, score);
    const float keep = expf(maximum - larger), weight = expf(score - larger);
    maximum = larger;
    sum = sum * keep + weight;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      const int dim = lane + i * kWarpSize;
      if (dim < params.head_dim) out[i] = out[i] * keep + weight * to_float(v[dim]);
    }
  }
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) partial_out[warp][lane + i * kWarpSize] = out[i];
  if (lane == 0) partial_statistics[warp] = {maximum, sum};
  __syncthreads();

  float total_maximum = params.sinks == nullptr ? -INFINITY : params.sinks[q_head];
#pragma unroll
  for (int w = 0; w < kPlainWarps; ++w) total_maximum = fmaxf(total_maximum, partial_statistics[w].x);
  float total = params.sinks == nullptr ? 0.0f : expf(params.sinks[q_head] - total_maximum);
#pragma unroll
  for (int w = 0; w < kPlainWarps; ++w) total += partial_statistics[w].y * expf(partial_statistics[w].x - total_maximum);
  T* destination = static_cast<T*>(params.out) + token * params.out_stride[0] + q_head * params.out_stride[1];
  for (int dim = threadIdx.x; dim < params.head_dim; dim += kPlainWarps * kWarpSize) {
    float value = 0;
#pragma unroll
    for (int w = 0; w < kPlainWarps; ++w) value += partial_out[w][dim] * expf(partial_statistics[w].x - total_maximum);
    destination[dim] = from_float<T>(value / total);
  }
}

}  // namespace sgl::cuda
