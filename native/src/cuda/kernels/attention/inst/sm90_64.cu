#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/kernels/attention/prefill_sm90.cuh"

namespace sgl::cuda {

template <>
PrefillSm90Kernel prefill_sm90_kernel_of<64>(bool copies_pages) {
  return copies_pages ? kernel_of<PrefillSm90Config<64, 128, 2, 4, 4, 56, 224, true>>()
                      : kernel_of<PrefillSm90Config<64, 128, 2, 4, 4, 56, 224, false>>();
}

}  // namespace sgl::cuda
