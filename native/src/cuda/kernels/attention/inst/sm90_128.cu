#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/kernels/attention/prefill_sm90.cuh"

namespace sgl::cuda {

template <>
AttentionKernel prefill_sm90_kernel_of<128>() {
  using Config = PrefillSm90Config<128, 128, 2, 2, 40, 232>;
  return {prefill_sm90_kernel<Config>, Config::kThreads, Config::kSharedBytes, Config::kRows,
          Partial<Config::kDim, Config::kRows>::kFloats};
}

}  // namespace sgl::cuda
