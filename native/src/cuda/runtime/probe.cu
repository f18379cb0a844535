#include "abi/error.hpp"
#include "cuda/runtime/probe.hpp"

namespace sgl::cuda {
namespace {

__global__ void probe() {}

}  // namespace

void check_architecture(const CudaContext& context) {
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, probe) == cudaSuccess) return;
  cudaGetLastError();
  const int arch = 10 * context.device.compute_major + context.device.compute_minor;
  fail(SGL_UNSUPPORTED, "context_create: libsgl_cuda.so has no code for sm_%d; build with -DSGL_CUDA_ARCHS=%d%s", arch, arch,
       arch >= 90 ? "a" : "");
}

}  // namespace sgl::cuda
