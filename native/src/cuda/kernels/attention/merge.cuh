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
  for (int i = team.thread(); i < num_rows * kQuads; i += team.num_threads()) {
    const int row = i / kQuads, dim = i % kQuads * 4;
    if (dim >= params.head_dim) continue;
    float maximum = -INFINITY;
#pragma unroll 4
    for (int p = 0; p < num_parts; ++p) maximum = fmaxf(maximum, __ldcg(part(p).statistics(row)).x);
    float sum = 0;
    float4 out = {0, 0, 0, 0};
#pragma unroll 4
    for (int p = 0; p < num_parts; ++p) {
      const float2 statistics = __ldcg(part(p).statistics(row));
      const float4 values = __ldcg(reinterpret_cast<const float4*>(part(p).row(row) + dim));
      const float factor = ptx::exp2_approximate(statistics.x - maximum);
      sum += statistics.y * factor;
      out.x += values.x * factor;
      out.y += values.y * factor;
      out.z += values.z * factor;
      out.w += values.w * factor;
    }
    const int2 token_and_head = place(row);
    const float factor = final_factor(params, maximum, sum, token_and_head.y);
    bf16* destination = out_row(params, token_and_head.x, token_and_head.y) + dim;
    store_pair(destination, out.x * factor, out.y * factor, params.out_by_two);
    store_pair(destination + 2, out.z * factor, out.w * factor, params.out_by_two);
  }
}

}  // namespace sgl::cuda
