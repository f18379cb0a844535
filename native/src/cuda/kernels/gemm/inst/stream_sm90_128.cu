#include "cuda/kernels/gemm/stream_sm90.cuh"

namespace sgl::cuda {

template <>
StreamSm90Kernel stream_sm90_kernel_of<128>(bool is_gated) {
  return is_gated ? stream_sm90_entry<StreamSm90Config<128, true>>() : stream_sm90_entry<StreamSm90Config<128, false>>();
}

}  // namespace sgl::cuda
