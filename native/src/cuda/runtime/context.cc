#include "cuda/runtime/context.hpp"

#include "cuda/kernels/gemm/library.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

cudaStream_t create_stream(int ordinal) {
  check(cudaSetDevice(ordinal), "context_create");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "context_create");
  return stream;
}

}  // namespace

CudaContext::CudaContext(int ordinal)
    : device(device_info(ordinal)), stream(create_stream(ordinal)), library(std::make_unique<Library>()) {}

CudaContext::~CudaContext() {
  cudaSetDevice(device.ordinal);
  cudaStreamSynchronize(stream);
  cudaStreamDestroy(stream);
}

void CudaContext::enter() const { check(cudaSetDevice(device.ordinal), "cudaSetDevice"); }

}  // namespace sgl::cuda
