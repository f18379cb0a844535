#include "cuda/kernels/attention/decode_sm90.cuh"

namespace sgl::cuda {

template <>
DecodeSm90Kernel decode_sm90_kernel_of<64>() {
  return decode_sm90_entry<DecodeSm90Config<64, 4, 24>>();
}

}  // namespace sgl::cuda
