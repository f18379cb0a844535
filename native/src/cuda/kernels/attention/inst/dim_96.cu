#include "cuda/kernels/attention/instantiate.cuh"

namespace sgl::cuda {

template <>
AttentionKernels attention_kernels<96>() {
  return all_attention_kernels<96>();
}

}  // namespace sgl::cuda
