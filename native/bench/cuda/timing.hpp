#pragma once

#include <functional>
#include <vector>

#include "cuda/runtime/context.hpp"

namespace sgl::bench {

/// Device memory for the length of a scope, filled with bf16 numbers of unit scale that repeat every 8 MiB.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t num_bytes);
  ~DeviceBuffer();
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// Work captured once, `calls` of it a replay, so that launches cost what they cost inside a step.
class Timed {
 public:
  Timed(cuda::CudaContext& context, int calls, const std::function<void(int call)>& body);
  ~Timed();
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

  /// Microseconds of one call in one replay.
  double sample();

 private:
  cuda::CudaContext& context_;
  const int calls_;
  cudaGraphExec_t graph_ = nullptr;
  cudaEvent_t start_ = nullptr, stop_ = nullptr;
};

/// Medians of each one's samples, taken in turns, so that all see the same drift of the clocks.
std::vector<double> medians(const std::vector<Timed*>& timed);

/// Bytes a second, read plus written, of a device-to-device copy of a gigabyte: the driver's or a kernel's, whichever is
/// faster.
double copy_bandwidth(cuda::CudaContext& context);

/// What a benchmark's `main` returns: 0, or 1 after saying on stderr why it could not go on.
int exit_code_of(const std::function<void()>& benchmark);

}  // namespace sgl::bench
