#include "cuda/runtime/pinned.hpp"

#include <algorithm>

#include "cuda/runtime/capture.hpp"
#include "cuda/runtime/context.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

constexpr size_t kSegmentBytes = 256 << 10;

std::byte* allocate(size_t num_bytes) {
  void* data = nullptr;
  check(cudaHostAlloc(&data, num_bytes, cudaHostAllocPortable), "host arguments");
  return static_cast<std::byte*>(data);
}

}  // namespace

PinnedRing::~PinnedRing() {
  for (Segment& segment : segments_) {
    if (segment.last_use != nullptr) cudaEventDestroy(segment.last_use);
    cudaFreeHost(segment.data);
  }
  for (std::byte* data : captured_) cudaFreeHost(data);
}

std::byte* PinnedRing::reserve(const CudaContext& context, size_t num_bytes) {
  num_bytes = (num_bytes + 255) / 256 * 256;
  if (context.is_capturing) {
    const RelaxedCapture relaxed;
    captured_.push_back(allocate(num_bytes));
    return captured_.back();
  }
  if (segments_[current_].used + num_bytes > segments_[current_].capacity) {
    // All work that reads the segment is queued by now.
    if (segments_[current_].last_use != nullptr) {
      check(cudaEventRecord(segments_[current_].last_use, context.stream), "host arguments");
    }
    current_ = (current_ + 1) % kNumSegments;
    Segment& next = segments_[current_];
    if (next.last_use == nullptr) {
      check(cudaEventCreateWithFlags(&next.last_use, cudaEventDisableTiming), "host arguments");
    }
    check(cudaEventSynchronize(next.last_use), "host arguments");
    if (num_bytes > next.capacity) {
      check(cudaFreeHost(next.data), "host arguments");
      next.data = nullptr;
      next.capacity = 0;
      const size_t capacity = std::max(num_bytes, kSegmentBytes);
      next.data = allocate(capacity);
      next.capacity = capacity;
    }
    next.used = 0;
  }
  Segment& segment = segments_[current_];
  std::byte* data = segment.data + segment.used;
  segment.used += num_bytes;
  return data;
}

}  // namespace sgl::cuda
