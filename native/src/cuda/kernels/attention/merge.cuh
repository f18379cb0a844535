#pragma once

#include "cuda/kernels/attention/row_tile.cuh"
#include "cuda/tile/finish_part.cuh"

// Partial results of an item whose keys are split. Every part is written to memory; whichever block finishes the last one adds
// them up, in the order of the keys, so that the sum does not depend on which block that was.

namespace sgl::cuda {

/// One part: kRows rows of sums, then each row's maximum and sum of weights.
template <int kDim, int kRows>
struct Partial {
  static constexpr int kFloats = kRows * (kDim + 2);

  float* data;

  __device__ float* row(int row) const { return data + row * kDim; }
  __device__ float2* statistics(int row) const { return reinterpret_cast<float2*>(data + kRows * kDim) + row; }
};

/// Stores rows [0, num_rows) of the item. `part(i)` is its i-th Partial, `place(row)` the row's token and query head.
template <int kDim, class Team, class Part, class Place>
__device__ __forceinline__ void merge_parts(const Team& team, const AttentionParams& params, int num_parts, int num_rows,
                                            const Part& part, const Place& place) {
  constexpr int kQuads = kDim / 4;
  constexpr int kAtOnce = 8;  // parts whose accesses are on their way together
  for (int i = team.thread(); i < num_rows * kQuads; i += team.num_threads()) {
    const int row = i / kQuads, dim = i % kQuads * 4;
    if (dim >= params.head_dim) continue;
    float maximum = -INFINITY, sum = 0;
    float4 out = {0, 0, 0, 0};
    for (int first = 0; first < num_parts; first += kAtOnce) {
      float2 statistics[kAtOnce];
      float4 values[kAtOnce];
#pragma unroll
      for (int p = 0; p < kAtOnce; ++p) {
        statistics[p] = {-INFINITY, 0};
        values[p] = {0, 0, 0, 0};
        if (first + p >= num_parts) continue;
        statistics[p] = __ldcg(part(first + p).statistics(row));
        values[p] = __ldcg(reinterpret_cast<const float4*>(part(first + p).row(row) + dim));
      }
      float larger = maximum;
#pragma unroll
      for (int p = 0; p < kAtOnce; ++p) larger = fmaxf(larger, statistics[p].x);
      const float factor = rescale_factor(maximum, larger);
      maximum = larger;
      sum *= factor;
      out = {out.x * factor, out.y * factor, out.z * factor, out.w * factor};
#pragma unroll
      for (int p = 0; p < kAtOnce; ++p) {
        const float weight = rescale_factor(statistics[p].x, maximum);
        sum += statistics[p].y * weight;
        out.x += values[p].x * weight;
        out.y += values[p].y * weight;
        out.z += values[p].z * weight;
        out.w += values[p].w * weight;
      }
    }
    const int2 token_and_head = place(row);
    const float factor = final_factor(params, maximum, sum, token_and_head.y);
    bf16* destination = out_row(params, token_and_head.x, token_and_head.y) + dim;
    store_pair(destination, out.x * factor, out.y * factor, params.out_by_two);
    store_pair(destination + 2, out.z * factor, out.w * factor, params.out_by_two);
  }
}

}  // namespace sgl::cuda
