#include "cuda/kernels/gemm/cluster_sm90.cuh"

namespace sgl::cuda {

template <>
ClusterSm90Kernel cluster_sm90_kernel_of<32>(bool is_gated) {
  return is_gated ? cluster_sm90_entry<ClusterSm90Config<32, true>>() : cluster_sm90_entry<ClusterSm90Config<32, false>>();
}

}  // namespace sgl::cuda
