#include "cuda/kernels/attention/instantiate.cuh"

namespace sgl::cuda {

template <>
AttentionKernels attention_kernels<64>() {
  return all_attention_kernels<64>();
}

}  // namespace sgl::cuda
