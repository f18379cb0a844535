#include "cuda/kernels/attention/decode_sm90.cuh"

namespace sgl::cuda {

template <>
DecodeSm90Kernel decode_sm90_kernel_of<128>() {
  return decode_sm90_entry<DecodeSm90Config<128, 4, 12>>();
}

}  // namespace sgl::cuda
