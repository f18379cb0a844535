#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/kernels/attention/prefill_sm90.cuh"

namespace sgl::cuda {

template <>
PrefillSm90Kernel prefill_sm90_kernel_of<80>(bool copies_pages) {
  return copies_pages ? kernel_of<PrefillSm90Config<80, 128, 2, 2, 2, 40, 232, true>>()
                      : kernel_of<PrefillSm90Config<80, 128, 2, 2, 2, 56, 224, false>>();
}

}  // namespace sgl::cuda
