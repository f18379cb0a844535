#include "cuda/kernels/attention/instantiate.cuh"

namespace sgl::cuda {

template <>
AttentionKernels attention_kernels<256>() {
  return all_attention_kernels<256>();
}

}  // namespace sgl::cuda
