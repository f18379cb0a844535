#include "cuda/runtime/counters.hpp"

#include "cuda/runtime/error.hpp"

namespace sgl::cuda {

Counters::Counters(cudaStream_t stream) {
  check(cudaMalloc(reinterpret_cast<void**>(&data_), kCount * sizeof(int32_t)), "context_create");
  check(cudaMemsetAsync(data_, 0, kCount * sizeof(int32_t), stream), "context_create");
}

Counters::~Counters() { cudaFree(data_); }

}  // namespace sgl::cuda
