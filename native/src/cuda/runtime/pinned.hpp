#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

namespace sgl::cuda {

class CudaContext;

/// Page-locked host memory for the host-array arguments of operators: copied here during the call, read by kernels through
/// their address. A ring of segments; a segment is written again only when the work queued after its last use has finished.
/// Arguments of a captured operator get memory of their own, since every replay reads them again.
class PinnedRing {
 public:
  PinnedRing() = default;
  ~PinnedRing();
  PinnedRing(const PinnedRing&) = delete;
  PinnedRing& operator=(const PinnedRing&) = delete;

  /// `num_bytes`, 256-byte aligned, for one operator, which queues all its work that reads it before the next call.
  std::byte* reserve(const CudaContext& context, size_t num_bytes);

 private:
  static constexpr int kNumSegments = 8;

  struct Segment {
    std::byte* data = nullptr;
    size_t capacity = 0;
    size_t used = 0;
    cudaEvent_t last_use = nullptr;
  };

  Segment segments_[kNumSegments];
  int current_ = 0;
  std::vector<std::byte*> captured_;
};

}  // namespace sgl::cuda
