#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/kernels/attention/plain.cuh"

namespace sgl::cuda {

AttentionKernel plain_attention_kernel_for(sgl_dtype dtype) {
  return {dtype == SGL_BF16 ? plain_attention_kernel<bf16> : plain_attention_kernel<float>, kPlainWarps * kWarpSize};
}

}  // namespace sgl::cuda
