#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

namespace sgl::cuda {

/// Throws `sgl::Error` unless `error` is cudaSuccess: OUT_OF_MEMORY for a failed allocation, CUDA_FATAL for an error that
/// loses the context, CUDA for any other. `what` names the operator or call.
void check(cudaError_t error, const char* what);
void check(cublasStatus_t status, const char* what);

/// Whether every later call on the device fails with the same error.
bool is_fatal(cudaError_t error);

}  // namespace sgl::cuda
