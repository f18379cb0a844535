#pragma once

#include <cuda_runtime_api.h>

namespace sgl::cuda {

/// Allows this thread, for the length of a scope, the calls that a capture forbids for fear of hidden synchronisation: memory
/// that is allocated while recording, not by what is recorded.
class RelaxedCapture {
 public:
  RelaxedCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~RelaxedCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace sgl::cuda
