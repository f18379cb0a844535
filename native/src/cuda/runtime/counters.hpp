#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace sgl::cuda {

/// Device counters of kernels whose blocks work on one result: 0 between launches, which leave them so. Kernels of one stream
/// share them, one after the other.
class Counters {
 public:
  /// At least one for every block that a GPU runs at a time.
  static constexpr int kCount = 4096;

  explicit Counters(cudaStream_t stream);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  int32_t* data() const { return data_; }

 private:
  int32_t* data_ = nullptr;
};

}  // namespace sgl::cuda
