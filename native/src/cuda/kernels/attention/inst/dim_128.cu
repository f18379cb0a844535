#include "cuda/kernels/attention/instantiate.cuh"

namespace sgl::cuda {

template <>
AttentionKernels attention_kernels<128>() {
  return all_attention_kernels<128>();
}

}  // namespace sgl::cuda
