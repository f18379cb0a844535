#include "cuda/kernels/attention/instantiate.cuh"

namespace sgl::cuda {

template <>
AttentionKernels attention_kernels<192>() {
  return all_attention_kernels<192>();
}

}  // namespace sgl::cuda
