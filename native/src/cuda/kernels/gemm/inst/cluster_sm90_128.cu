#include "cuda/kernels/gemm/cluster_sm90.cuh"

namespace sgl::cuda {

template <>
ClusterSm90Kernel cluster_sm90_kernel_of<128>(bool is_gated) {
  return is_gated ? cluster_sm90_entry<ClusterSm90Config<128, true>>() : cluster_sm90_entry<ClusterSm90Config<128, false>>();
}

}  // namespace sgl::cuda
