#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <vector>

#include "cuda/runtime/device_info.hpp"
#include "cuda/runtime/peer_link.hpp"
#include "cuda/runtime/pinned.hpp"
#include "cuda/runtime/scratch.hpp"

namespace sgl::cuda {

class Library;

/// What an operator needs of its context: the device, its one stream and working memory. Operator families are free functions
/// over it, one folder each; `CudaBackend` sets the device and forwards to them. Everything they queue is asynchronous.
class CudaContext {
 public:
  explicit CudaContext(int ordinal);
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  /// The current device is a property of the calling thread: every entry sets it.
  void enter() const;

  const DeviceInfo device;
  const cudaStream_t stream;
  /// Between the begin and the end of a capture: work is recorded, not run, and waiting is an error.
  bool is_capturing = false;
  /// To ranks whose kernels this context's wait for.
  std::vector<std::shared_ptr<PeerLink>> peers;
  /// Those that the capture under way has used.
  std::vector<std::shared_ptr<PeerLink>> captured_peers;
  Scratch scratch;
  PinnedRing pinned;
  /// cuBLASLt and its chosen algorithms.
  const std::unique_ptr<Library> library;
};

}  // namespace sgl::cuda
