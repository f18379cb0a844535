#pragma once

#include <memory>

#include "cuda/kernels/gemm/weight.hpp"

namespace sgl::bench {

/// A weight of uniform values in [-scale, scale].
inline std::unique_ptr<sgl_weight> random_weight(cuda::CudaContext& context, const sgl_weight_desc& desc, uint64_t seed,
                                                 float scale) {
  auto weight = cuda::create_weight(context, desc);
  for (int32_t group = 0; group < desc.num_groups; ++group) {
    cuda::fill_weight_random(context, *weight, {seed, scale, group, 0, desc.out_features, group * desc.out_features, 0});
  }
  return weight;
}

}  // namespace sgl::bench
