#include "cuda/kernels/attention/instantiate.cuh"

namespace sgl::cuda {

template <>
AttentionKernels attention_kernels<80>() {
  return all_attention_kernels<80>();
}

}  // namespace sgl::cuda
